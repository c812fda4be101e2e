"""The lab: `python -m tests.lab [PART …] [--again]`; without a part all of them, one verdict at the end.

`room`, `faults` and `drivers` share one guest.

healthy     three hundred checks of healthy halls, a third of them hard: no false alarm (no guest)
slow-line   a release over 64 kbit/s that lose packets, cut off five times (root; no guest)
rollout     a rollout to 3,300 simulated units, and what Ansible takes of the machine (no guest)
clean-root  the README's commands in a clean Debian root (see clean_root.sh; SUITE=trixie for another Debian)
room        the agent as shipped services on real drivers in a guest, in a real meeting (root, QEMU)
faults      every fault brought about below the driver, named by the hall's own check (root, QEMU)
drivers     the contract suites of camera, television and keypad on the kernel's drivers (root, QEMU)
fleet       the playbooks on bare Debian nodes with a systemd of their own (root, systemd-nspawn; fleet/)

What was shown, with its evidence, is in .lab/results/PART; rows shown by this same tree are not shown again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests.lab.report import ROOT, Evidence, NotShown, Report

PARTS = ("healthy", "slow-line", "rollout", "clean-root", "room", "faults", "drivers", "fleet")
_PYTHON = str(ROOT / ".venv/bin/python")


def main() -> int:
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    again = "--again" in sys.argv
    if unknown := set(given) - set(PARTS):
        print(f"lab: no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    parts = given or list(PARTS)
    passed = {}
    if "healthy" in parts:
        print("── healthy", flush=True)
        passed["healthy"] = inside("tests.lab.healthy", again=again)
    if "slow-line" in parts:
        print("── slow-line", flush=True)
        passed["slow-line"] = inside("tests.lab.slow_line", again=again)
    if "rollout" in parts:
        print("── rollout", flush=True)
        passed["rollout"] = inside("tests.lab.rollout", again=again)
    if "clean-root" in parts:
        print("── clean-root", flush=True)
        passed["clean-root"] = clean_root(again=again)
    if in_guest := [part for part in parts if part in ("room", "faults", "drivers")]:
        passed |= guest(in_guest, again=again)
    if "fleet" in parts:  # it enters its namespace itself, for its packages come from outside
        command = [_PYTHON, "-m", "tests.lab.fleet", "run", *(["--again"] if again else [])]
        passed["fleet"] = subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    print("lab:", ", ".join(f"{part} {'PASSED' if ok else 'FAILED'}" for part, ok in passed.items()))
    return 0 if all(passed.values()) else 1


def guest(parts: list[str], *, again: bool) -> dict[str, bool]:
    """The parts with a guest, in a network namespace and a process of their own."""
    if "DIEMCAU_NAMESPACE" not in os.environ:
        built = subprocess.run([Path(__file__).parent / "vm/build.sh", ROOT / ".lab/vm"], check=False)
        if built.returncode != 0:
            return dict.fromkeys(parts, False)
        return {" and ".join(parts): inside("tests.lab", *parts, again=again)}
    from tests.lab.vm import drivers, faults, held, room
    from tests.lab.vm.real_hall import real_hall

    shown = {"room": room, "faults": faults, "drivers": drivers}
    passed, folder = {}, Path(tempfile.mkdtemp(prefix="diemcau-lab-"))
    try:
        with ExitStack() as stack:
            hall = cache(lambda: stack.enter_context(real_hall(folder)))
            for part in parts:
                print(f"── {part}", flush=True)
                report = Report(part, again=again)
                try:
                    shown[part].run(report, hall)
                finally:
                    passed[part] = report.verdict(shown[part].ROWS)
            if held.HOLD.exists():
                held.hold(hall())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return passed


def inside(module: str, *words: str, again: bool) -> bool:
    """Run a module in a network namespace of its own; whether it says that all is well."""
    command = [_PYTHON, "-m", "diemcau_controller.namespace", _PYTHON, "-m", module, *words]
    done = subprocess.run([*command, *(["--again"] if again else [])], cwd=ROOT, check=False)
    return done.returncode == 0


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
