"""Part `image`: `python -m tests.lab.image [build|run] [--again]`, as root.

build   signed releases of this tree, images and bundles of them, a plain Debian to compare with
run     the rows, in a network namespace of its own
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware.bundles import bundle
from tests.lab.report import ROOT, Report

from .release import BROKEN, FIRST, FOLDER, NEXT, VERSIONS, prepare

OUT, CACHE, PLAIN = FOLDER / "out", ROOT / ".image/cache", FOLDER / "plain"
LOOKED_AT = ("agent", "wire", "playbooks", "firmware", "tests/lab/image")
_PYTHON = sys.executable


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if words == ["inside"]:
        return inside(again="--again" in sys.argv)
    if not words or "build" in words:
        build()
    if not words or "run" in words:
        command = [_PYTHON, "-m", "diemcau_controller.namespace", _PYTHON, "-m", "tests.lab.image", "inside"]
        return subprocess.run([*command, *sys.argv[2:]], cwd=ROOT, check=False).returncode
    return 0


def made(version: str, suffix: str) -> Path:
    return OUT / f"diemcau-{version}-amd64{suffix}"


def build() -> None:
    """Everything the rows need."""
    office = prepare()
    for version in VERSIONS:
        of = ["--state-dir", office, "--out", OUT, "--version", version]
        subprocess.run(
            [_PYTHON, "-m", "firmware", "build", *of, "--cache", CACHE, "--no-pack"], cwd=ROOT, check=True
        )
        if version != FIRST:
            keys = FOLDER / "system-keys"
            subprocess.run([_PYTHON, "-m", "firmware", "bundle", *of, "--keys", keys], cwd=ROOT, check=True)
            made(version, ".img").unlink()
    bundle(made(NEXT, ".squashfs"), NEXT, "amd64", FOLDER / "foreign-keys", OUT / "foreign.raucb")
    subprocess.run([Path(__file__).with_name("plain.sh"), CACHE, PLAIN], check=True)


def inside(*, again: bool) -> int:
    """The rows, in a namespace."""
    from . import boot, slots

    report, rows = Report("image", again=again, looked_at=LOOKED_AT), [*boot.ROWS, *slots.ROWS]
    if report.done(*rows):
        return 0 if report.verdict(rows) else 1
    bundles = {
        "good": made(NEXT, ".raucb"),
        "broken": made(BROKEN, ".raucb"),
        "foreign": OUT / "foreign.raucb",
    }
    folder = Path(tempfile.mkdtemp(prefix="diemcau-image-lab-"))
    try:
        shutil.copytree(FOLDER / "office", folder, dirs_exist_ok=True)
        with boot.hall_of(folder, made(FIRST, ".img"), PLAIN, FOLDER / "boxes") as hall:
            boot.run(report, hall)
            if report.done(boot.ROWS[-1]) and all(path.exists() for path in bundles.values()):
                slots.run(report, hall, bundles)
            if os.environ.get("HOLD"):
                input("held open; Enter ends it\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.verdict(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
