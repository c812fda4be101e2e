"""The lab: `python -m tests.lab [PART …] [--again]`; without a part all of them, one verdict at the end.

clean-root  the README's commands in a clean Debian root (see clean_root.sh; SUITE=trixie for another Debian)
room        the agent as shipped services on real drivers in a guest, in a real meeting (root, QEMU)
faults      every fault brought about below the driver, named by the hall's own check (root, QEMU)

What was shown, with its evidence, is in .lab/results/PART; rows shown by this same tree are not shown again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.report import ROOT, Evidence, NotShown, Report

PARTS = ("clean-root", "room", "faults")
_PYTHON = str(ROOT / ".venv/bin/python")


def main() -> int:
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    again = "--again" in sys.argv
    if unknown := set(given) - set(PARTS):
        print(f"lab: no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    passed = {part: one(part, again=again) for part in given or PARTS}
    print("lab:", ", ".join(f"{part} {'PASSED' if ok else 'FAILED'}" for part, ok in passed.items()))
    return 0 if all(passed.values()) else 1


def one(part: str, *, again: bool) -> bool:
    """Run a part; the ones with a guest in a network namespace and a process of their own."""
    print(f"── {part}", flush=True)
    if part == "clean-root":
        return clean_root(again=again)
    if "DIEMCAU_NAMESPACE" not in os.environ:
        if (
            subprocess.run([Path(__file__).parent / "vm/build.sh", ROOT / ".lab/vm"], check=False).returncode
            != 0
        ):
            return False
        command = [_PYTHON, "-m", "diemcau_controller.namespace", _PYTHON, "-m", "tests.lab", part]
        return (
            subprocess.run([*command, *(["--again"] if again else [])], cwd=ROOT, check=False).returncode == 0
        )
    from tests.lab.vm import faults, room

    report, folder = Report(part, again=again), Path(tempfile.mkdtemp(prefix="diemcau-lab-"))
    try:
        names = {"room": room, "faults": faults}[part].run(report, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report.verdict(names)


def clean_root(*, again: bool) -> bool:
    """Both README commands in a clean Debian root."""
    suite = os.environ.get("SUITE", "bookworm")
    name, report = f"README commands in a clean {suite}", Report("clean-root", again=again)

    def commands(evidence: Evidence) -> str:
        log = evidence.path("log")
        with log.open("wb") as file:
            done = subprocess.run(
                [Path(__file__).with_name("clean_root.sh"), suite], stdout=file, stderr=file
            )
        last = log.read_text(errors="replace").splitlines()[-1:]
        if done.returncode != 0:
            raise NotShown(" ".join(last))
        return " ".join(last)

    report.show(name, commands)
    return report.verdict([name])


if __name__ == "__main__":
    sys.exit(main())
