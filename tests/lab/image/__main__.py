"""Part `image`: `python -m tests.lab.image [build|run|cuts|same] [--again] [--only=WORD …]`, as root.

build   signed releases of this tree, images and bundles of them, a plain Debian to compare with
run     the rows, in a network namespace of its own; `--only` those with these words in their names
        (`--only=coordinator`: systems by a rollout, which start from a box that has none of them yet)
cuts    the plug is pulled at named points, once each
same    the first image is built once more and compared; what has an identity is refused
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from firmware.bundles import bundle
from tests.lab.report import ROOT, Report

from .release import BROKEN, FIRST, FOLDER, NEXT, VERSIONS, prepare

OUT, CACHE, PLAIN = FOLDER / "out", ROOT / ".image/cache", FOLDER / "plain"
LOOKED_AT = ("agent", "wire", "playbooks", "firmware", "tests/lab/image")
_PYTHON = sys.executable


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if words[:1] == ["inside"]:
        only = [word.removeprefix("--only=") for word in sys.argv if word.startswith("--only=")]
        return inside(again="--again" in sys.argv, cut="cuts" in words, only=only)
    if not words or "build" in words:
        build()
    if "same" in words:
        from .same import run as compare

        report = Report("image", again="--again" in sys.argv, looked_at=LOOKED_AT)
        return 0 if report.verdict(compare(report, made(FIRST, ".img"))) else 1
    if not words or {"run", "cuts"} & set(words):
        command = [_PYTHON, "-m", "diemcau_controller.namespace", _PYTHON, "-m", "tests.lab.image", "inside"]
        return subprocess.run([*command, *sys.argv[1:]], cwd=ROOT, check=False).returncode
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
    other = OUT / "foreign.squashfs"  # it is never looked into
    other.write_bytes(os.urandom(1 << 20))
    bundle(other, NEXT, "amd64", FOLDER / "foreign-keys", OUT / "foreign.raucb")
    subprocess.run([Path(__file__).with_name("plain.sh"), CACHE, PLAIN], check=True)


def inside(*, again: bool, cut: bool, only: Sequence[str]) -> int:
    """The rows, or the cuts, in a namespace."""
    from . import boot, cuts, hardships, ordered, slots

    report = Report("image", again=again, looked_at=LOOKED_AT)
    # what takes long comes late, what ends an identity last
    rows = [*boot.ROWS, *slots.ROWS[:2], *hardships.ROWS[:4], *slots.ROWS[2:], *hardships.ROWS[4:]]
    if "coordinator" in only:  # the same systems, brought by a rollout instead of by hand
        rows = [*boot.ROWS, *ordered.ROWS]
    named = [name for word in only for name in rows if word in name] or rows
    wanted = list(dict.fromkeys([*(name for name in named if name == boot.ROWS[0]), *boot.MEANS, *named]))
    if not cut and report.done(*wanted):
        return 0 if report.verdict(wanted) else 1
    for name in boot.MEANS:  # this run's box has to be enrolled, whatever an earlier one was
        report.rows.pop(name, None)
    bundles = {
        "good": made(NEXT, ".raucb"),
        "broken": made(BROKEN, ".raucb"),
        "foreign": OUT / "foreign.raucb",
    }
    folder = Path(tempfile.mkdtemp(prefix="diemcau-image-lab-"))
    try:
        shutil.copytree(FOLDER / "office", folder, dirs_exist_ok=True)
        with boot.hall_of(folder, made(FIRST, ".img"), PLAIN, FOLDER / "boxes") as hall:
            if cut:
                return 0 if cuts.run(report, hall, bundles["good"]) else 1
            shows = {**boot.SHOWS, **slots.shows(bundles), **ordered.shows(bundles), **hardships.SHOWS}
            for name in wanted:  # without an enrolled box nothing more can be seen
                shown = report.show(name, partial(shows[name], hall))
                if not shown and name in boot.MEANS and not hall.unit():
                    break
            if os.environ.get("HOLD"):
                input("held open; Enter ends it\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.verdict(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
