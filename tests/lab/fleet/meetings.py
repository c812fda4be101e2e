"""Part `fleet`: twenty meetings, one after another, while `update.yml` brings one release after another.

A meeting closes its hall to flips from 90 minutes before to 15 after. So they are announced as they begin,
which the lease cannot foresee, and they move from hall to hall: one meets while the others are free, or wait
for a quarter of an hour after theirs. What a hall plays is recorded behind its sound server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import chain, count, repeat
from pathlib import Path

from diemcau_controller.demo.halls import MAIN

from tests.lab.report import Evidence, NotShown, Report
from tests.system.heard_tone import HeardTone

from . import units
from .nodes import Fleet, Node, NodeFailed
from .office import FIRST, NODES, Office, office, session_is, update_of
from .office import prepare as releases
from .playbook import play

MEETINGS, LISTENED_S, LONGEST_GAP_S = 20, 40, 0.5
VERSIONS = (FIRST, *(f"1.{number}.0" for number in range(1, 9)))
ROWS = ["twenty meetings against a continuous rollout"]
_HEARD = "var/lib/lab-heard.s16"  # 48 kHz mono s16le
_SERVER = "--server=unix:/run/diemcau-sound/native"
_SINK = "load-module module-null-sink sink_name=lab rate=48000 channels=1"
_SOUND = f"[Service]\nExecStartPost=/usr/bin/pactl {_SERVER} {_SINK}\n"
_EARS = f"""[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/parec {_SERVER} --device=lab.monitor --raw --format=s16le --rate=48000 --channels=1 \\
    --latency-msec=50
Environment=HOME=/run/diemcau-sound
StandardOutput=append:/{_HEARD}
User=diemcau-sound
Restart=always
RestartSec=1
"""


class Rollout(threading.Thread):
    """`update.yml` over all machines again and again, each version twice, the last one on and on. `passes`
    tells of each: version, seconds, how the units stood."""

    def __init__(self, there: Office, folder: Path) -> None:
        super().__init__(name="rollout", daemon=True)
        self._there, self._folder = there, folder
        self._over = threading.Event()
        self.passes: list[dict[str, object]] = []
        self.broke = ""

    def run(self) -> None:
        twice = (version for version in VERSIONS[1:] for _ in range(2))
        try:
            for version in chain(twice, repeat(VERSIONS[-1])):
                if self._over.wait(1):
                    return
                self._bring(version)
        except NodeFailed as error:
            self.broke = str(error)

    def end(self) -> None:
        """No further run; waits for the one that goes on."""
        self._over.set()
        self.join()

    def _bring(self, version: str) -> None:
        there = self._there
        groups, given = {"units": there.nodes}, there.variables(diemcau_version=version)
        played = play(there.fleet, "update.yml", groups, given, self._folder / f"pass-{len(self.passes)}.log")
        steps = {node.name: update_of(node) for node in there.nodes}
        self.passes.append(
            {
                "version": version,
                "took_s": round(played.took_s),
                "code": played.code,
                "steps": {
                    name: f"{step['running']} {step['step']} {step['why']}" for name, step in steps.items()
                },
                "fetched": {name: step["fetched_bytes"] for name, step in steps.items()},
            }
        )


def prepare() -> Path:
    """The coordinator's state folder with the releases, which differ in their number."""
    return releases("meetings", VERSIONS)


def run(report: Report, fleet: Fleet, folder: Path) -> list[str]:
    """Show the row; gives its name. `folder` is what :func:`prepare` gave."""
    if report.done(*ROWS):
        return ROWS
    for node in units.start(fleet, *NODES):
        node.write("/etc/systemd/system/diemcau-sound.service.d/lab.conf", _SOUND)
        node.write("/etc/systemd/system/lab-ears.service", _EARS)
    with office(fleet, folder, sound="pulse:lab") as there:
        report.show(ROWS[0], lambda evidence: twenty(there, evidence))
    return ROWS


def twenty(there: Office, evidence: Evidence) -> str:
    units.provision(there, evidence)
    units.approve(there, evidence)
    for node in there.nodes:
        node.run("systemctl start lab-ears.service")
        node.shut = True  # Debian's SSH closes an hour after the provisioning
    (main,) = (hall for hall in there.stage.halls if hall.id == MAIN)
    hertz = int(main.microphone.partition(":")[2])
    folder = evidence.path("passes.json").parent / "passes"
    folder.mkdir(exist_ok=True)
    rollout, rows = Rollout(there, folder), []
    rollout.start()
    began = time.monotonic()
    try:
        for number, node in zip(range(1, MEETINGS + 1), order(there.nodes), strict=False):
            rows.append(held(there, rollout, node, number, hertz, began))
            evidence.json("meetings", rows)
        met = {row["hall"]: row["version"] for row in rows}
        first = there.nodes[0]  # it met first, and its quarter of an hour is over first
        there.until(
            lambda: update_of(first)["running"] != met[first.name], 20 * 60, "no flip came in the end"
        )
    finally:
        rollout.end()
        evidence.json("passes", rollout.passes)
    if rollout.broke:
        raise NotShown(rollout.broke)
    return said(rows, rollout)


def order(nodes: list[Node]) -> Iterator[Node]:
    """Seven meetings at one hall, then at the next."""
    for number in count():
        yield nodes[number // 7 % len(nodes)]


def held(
    there: Office, rollout: Rollout, node: Node, number: int, hertz: int, began: float
) -> dict[str, object]:
    """One meeting: its hall's sound from the first tone on, and what it ran at its beginning and end."""
    played = node.folder / "upper" / _HEARD
    meeting = there.meet([node], f"Giao ban {number}")
    joined, passes = what_runs(node), len(rollout.passes)
    there.until(lambda: HeardTone.sounds(played, hertz), 60, f"{node.name} does not hear the main hall")
    ears = HeardTone(played, hertz)
    there.rest(LISTENED_S)
    gap_s, listened_s = ears.longest_gap()
    left, inside = what_runs(node), session_is(node, "in_meeting")
    there.close(meeting, [node])
    return {
        "meeting": number,
        "hall": node.name,
        "at_s": round(time.monotonic() - began),
        "version": update_of(node)["running"],
        "flipped": joined != left,
        "stayed": inside,
        "gap_s": round(gap_s, 2),
        "listened_s": round(listened_s),
        "passes_ended": len(rollout.passes) - passes,
    }


def what_runs(node: Node) -> list[str]:
    """The release, and since when the unit's process and its sound server run."""
    asked = "systemctl show --property=ExecMainStartTimestampMonotonic --value diemcau-unit diemcau-sound"
    return node.run(f"readlink -f /opt/diemcau/current; {asked}").split()


def said(rows: list[dict[str, object]], rollout: Rollout) -> str:
    """The verdict over all meetings. Raises :class:`NotShown`."""
    gaps = [float(str(row["gap_s"])) for row in rows]
    if any(row["flipped"] or not row["stayed"] for row in rows):
        raise NotShown(f"flipped or left in a meeting: {rows}")
    if max(gaps) > LONGEST_GAP_S:
        raise NotShown(f"gaps {gaps}")
    brought = sorted({str(one["version"]) for one in rollout.passes})
    listened_s = sum(int(str(row["listened_s"])) for row in rows)
    met = len({(row["hall"], row["version"]) for row in rows})
    return (
        f"{len(rows)} meetings, {listened_s} s listened to: the longest gap {max(gaps):.2f} s, none flipped; "
        f"meanwhile {len(rollout.passes)} runs brought {', '.join(brought)}, and {met} pairs of hall and "
        "release met"
    )
