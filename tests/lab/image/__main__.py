"""Part `image`: `python -m tests.lab.image [build|run] [--again]`, as root.

build   a signed release of this tree, an image of it, a plain Debian to compare with
run     the rows, in a network namespace of its own
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.report import ROOT, Report

from .release import FIRST, FOLDER, prepare

OUT, CACHE, PLAIN = FOLDER / "out", ROOT / ".image/cache", FOLDER / "plain"
IMAGE = OUT / f"diemcau-{FIRST}-amd64.img"
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


def build() -> None:
    """Everything the rows need."""
    office = prepare()
    image = ["-m", "firmware", "build", "--state-dir", office, "--out", OUT, "--cache", CACHE, "--no-pack"]
    subprocess.run([_PYTHON, *image], cwd=ROOT, check=True)
    subprocess.run([Path(__file__).with_name("plain.sh"), CACHE, PLAIN], check=True)


def inside(*, again: bool) -> int:
    """The rows, in a namespace."""
    from . import boot

    report = Report("image", again=again, looked_at=LOOKED_AT)
    if report.done(*boot.ROWS):
        return 0 if report.verdict(boot.ROWS) else 1
    folder = Path(tempfile.mkdtemp(prefix="diemcau-image-lab-"))
    try:
        shutil.copytree(FOLDER / "office", folder, dirs_exist_ok=True)
        with boot.hall_of(folder, IMAGE, PLAIN, FOLDER / "boxes") as hall:
            rows = boot.run(report, hall)
            if os.environ.get("HOLD"):
                input("held open; Enter ends it\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.verdict(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
