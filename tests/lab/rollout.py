"""Lab part "rollout": the real engine over 3,300 simulated units, and what Ansible takes of this machine.

    python -m tests.lab.rollout [--again]

No guest, no root: the database, the engine and ansible-runner are real; in the first two rows the units are
simulated, in the last one Ansible works on this machine instead of units.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

from diemcau_controller.actions.rollouts.hands import Run, Target
from diemcau_controller.actions.rollouts.start import RolloutSpec, start_rollout
from diemcau_controller.adapters.ansible.hands import PLAYBOOK, AnsibleHands
from diemcau_controller.adapters.ansible.processes import processes_of
from diemcau_controller.rules.actor import SYSTEM

from tests.lab.report import Evidence, NotShown, Report
from tests.system.office import Office
from tests.system.simulated_fleet import NEW, SimulatedFleet

COUNT, FORKS, MB_A_FORK = 3300, 5, 60
ROWS = ["3,300 units, a third away", "a broken release", "memory of a run"]
_LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
_PLAY = """
- hosts: units
  gather_facts: true
  tasks:
    - name: Work for a while
      ansible.builtin.command: sleep 1
      changed_when: false
    - name: Say how it stands
      ansible.builtin.set_fact:
        diemcau_update: {step: staged, version: "{{ diemcau_version }}", why: "", again_at: null}
"""


def main() -> int:
    report = Report("rollout", again="--again" in sys.argv, looked_at=("controller", "tests/lab/rollout.py"))
    report.show(ROWS[0], lambda evidence: roll_out(evidence, broken=False))
    report.show(ROWS[1], lambda evidence: roll_out(evidence, broken=True))
    report.show(ROWS[2], memory)
    return 0 if report.verdict(ROWS) else 1


def roll_out(evidence: Evidence, *, broken: bool) -> str:
    """A rollout to 3,300 units, 30 % of them away; all are counted at its end."""
    with tempfile.TemporaryDirectory(prefix="diemcau-lab-") as folder:
        office = Office(Path(folder))
        fleet = SimulatedFleet(office, COUNT, broken=broken)
        before_mb, began = own_mb(), time.monotonic()

        async def run() -> str:
            rollout = await start_rollout(office.controller, SYSTEM, RolloutSpec(version=NEW, wave=200))
            await fleet.run_until_quiet()
            return rollout

        rollout = asyncio.run(run())
        took_s, grown_mb = time.monotonic() - began, own_mb() - before_mb
        seen = office.get(f"rollouts/{rollout}")
        canaries = {unit for unit, _, ring in fleet.states() if ring == "canary"}
        office.close()
    counts = seen["counts"]
    heaps = " + ".join(f"{heap} {number}" for heap, number in counts.items())
    said = (
        f"{heaps} = {sum(counts.values())}; {len(fleet.flipped)} flipped, {len(canaries)} canaries; "
        f"{took_s:.0f} s, the controller grew by {grown_mb:.0f} MB"
    )
    evidence.text("counts", said)
    if sum(counts.values()) != COUNT:
        raise NotShown(said)
    if broken and (fleet.flipped != canaries or seen["state"] != "paused"):
        raise NotShown(f"a broken release went beyond its canaries: {said}")
    if not broken and counts["done"] + counts["waiting"] + counts["failed"] != COUNT:
        raise NotShown(said)
    return said


def memory(evidence: Evidence) -> str:
    """What controller and Ansible take at most while a run works, beyond the controller at rest."""
    with tempfile.TemporaryDirectory(prefix="diemcau-lab-") as place:
        folder = Path(place)
        playbooks = folder / "project"
        playbooks.mkdir()
        (playbooks / PLAYBOOK).write_text(_PLAY)
        (playbooks / "ansible.cfg").write_text("[defaults]\n")
        targets = tuple(Target(f"u{n}", _LOCAL) for n in range(3 * FORKS))
        run = Run("x1", "stage", NEW, targets, folder, playbooks)
        gc.collect()
        idle_mb, most_mb, over = own_mb(), 0.0, threading.Event()

        def watch() -> None:
            nonlocal most_mb
            while not over.wait(0.2):
                below = sum(pss_mb(pid) for pid in processes_of(folder))
                most_mb = max(most_mb, own_mb() + below)

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        outcome = asyncio.run(AnsibleHands(FORKS).carry_out(run, lambda event: None))
        over.set()
        watching.join()
    said = f"{outcome}: {idle_mb:.0f} MB at rest, at most {most_mb:.0f} MB with {FORKS} forks"
    evidence.text("memory", said)
    if outcome != "ran" or most_mb > idle_mb + MB_A_FORK * FORKS:
        raise NotShown(f"{said}; {idle_mb + MB_A_FORK * FORKS:.0f} MB are allowed")
    return f"{said}: {(most_mb - idle_mb) / FORKS:.0f} MB each"


def own_mb() -> float:
    """What this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def pss_mb(pid: int) -> float:
    """A process's share of memory; 0 for one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    os.environ.setdefault("ANSIBLE_LOCALHOST_WARNING", "0")
    sys.exit(main())
