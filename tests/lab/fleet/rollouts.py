"""Rows of part `fleet`: the coordinator's own engine, in its sandbox, brings releases to units by tunnels."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.lab.report import Evidence, NotShown

from .guide import Block, commands
from .office import BROKEN, NEXT, session_is, site_of, update_of

if TYPE_CHECKING:
    from .whole import Five

CANARY, BUSY, FREE = "n2", "n3", "n4"
DURING = [
    "a release from the coordinator: a canary, then who is free, while one is in a meeting",
    "times: the coordinator's engine beside plain ansible-playbook",
]
AFTER = [
    "the hall that had to wait comes by itself after its meeting",
    "a broken release stops in the canary, which goes back by itself",
]
_RUNS = """python3 -c '
import json, sqlite3
base = sqlite3.connect("file:/var/lib/diemcau/controller.sqlite?mode=ro", uri=True)
asked = "select kind, started_at, ended_at, outcome, units from rollout_run where outcome = ? order by 2"
print(json.dumps(base.execute(asked, ["ran"]).fetchall()))'"""


def start(there: Five, version: str) -> str:
    """A rollout to the three, by the guide's command."""
    command, listed = commands(Block.ROLLOUT, {"1.4.1": version})
    sites = " ".join(f"--site {site_of(there.nodes[name])}" for name in (CANARY, BUSY, FREE))
    made = json.loads(there.server.run(f"{command} {sites} --meeting-wait 0 --json"))
    if made["id"] not in there.server.run(listed):
        raise NotShown("the rollout is not in the list")
    return str(made["id"])


def standing(there: Five, evidence: Evidence) -> dict[str, Any]:
    """How the rollout stands; the last one asked for is kept."""
    found = dict(there.one.diemcau(f"rollout show {there.rollout}"))
    evidence.json("rollout", found)
    if found["failed"] and found["version"] != BROKEN:
        raise NotShown(f"failed: {found['failed']}")
    return found


def deferred(there: Five, evidence: Evidence) -> str:
    """Two of the three listen nowhere. The canary shows that the release works, then a meeting begins at one
    of the others, and the engine leaves that one alone."""
    nodes = there.nodes
    for name in (BUSY, FREE):
        heard = nodes[name].run(
            "systemctl stop ssh.socket ssh.service; sleep 1; ss -Hltun | awk '{print $5}'"
        )
        evidence.text(f"{name}-listens", heard)
        if open_ports := [line for line in heard.split() if not line.startswith("127.0.0.")]:
            raise NotShown(f"{name} listens: {open_ports}")
    for name, ring in ((CANARY, "canary"), (BUSY, "all"), (FREE, "all")):
        there.server.run(f"diemcau rollout ring {site_of(nodes[name])} {ring}")
    there.rollout = start(there, NEXT)
    proven = there.until(
        lambda: standing(there, evidence)["rings"]["canary"].get("done"), "the canary shows nothing", 1500
    )
    busy, canary = site_of(nodes[BUSY]), site_of(nodes[CANARY])
    meeting = f"--start now --duration 1h --main {busy} --site {busy} --site {canary}"
    there.server.run(f'diemcau meeting add "Giao ban" {meeting}')
    there.until(lambda: session_is(nodes[BUSY], "in_meeting"), "the hall does not join", 180)
    free = there.until(
        lambda: standing(there, evidence)["rings"]["all"].get("done"), "the free hall does not come", 1500
    )
    there.until(
        lambda: waits_for_its_meeting(standing(there, evidence)), "it does not wait for its meeting", 600
    )
    step = update_of(nodes[BUSY])
    evidence.json("busy", step)
    if step["running"] == NEXT or step["step"] != "staged":
        raise NotShown(f"the hall in its meeting: {step}")
    if not session_is(nodes[BUSY], "in_meeting"):
        raise NotShown("the meeting did not go on")
    return (
        f"the canary had shown after {proven:.0f} s that the release works; the hall that was free had it "
        f"{free:.0f} s later; the one in its meeting has it staged and waits for the meeting's end"
    )


def waits_for_its_meeting(now: dict[str, Any]) -> bool:
    """Whether one of the two has the release, and the other one's meeting is why it has not. Raises
    :class:`NotShown`."""
    if now["rings"]["all"].get("done") != 1:
        raise NotShown(f"not one of two: {now['rings']}, {now['reasons']}")
    return bool(now["reasons"].get("meeting"))


def times(there: Five, evidence: Evidence) -> str:
    """The canary's two runs beside the one by hand, both from this server by a line that a unit dials. At the
    end the engine stages the next ring, too, and the meeting begins: its time is an upper bound."""
    unit = there.unit(CANARY)
    runs = [run for run in json.loads(there.server.run(_RUNS)) if unit in json.loads(run[4])]
    evidence.json("runs", runs)
    kinds = [run[0] for run in runs]
    if kinds[:1] != ["stage"] or kinds[-1:] != ["apply"] or not there.plain_s:
        raise NotShown(f"not to be compared: {runs}, by hand {there.plain_s:.0f} s")
    spent_s = [
        (datetime.fromisoformat(run[2]) - datetime.fromisoformat(run[1])).total_seconds() for run in runs
    ]
    each = ", ".join(f"{kind} {took_s:.0f}" for kind, took_s in zip(kinds, spent_s, strict=True))
    ratio = sum(spent_s) / there.plain_s
    return f"engine {sum(spent_s):.0f} s ({each}), plain {there.plain_s:.0f} s: {ratio:.2f} times"


def afterwards(there: Five, evidence: Evidence) -> str:
    """The meeting is closed; nobody does anything further."""
    (running,) = there.one.diemcau("status")["meetings"]
    there.server.run(f"diemcau meeting close {running['id']}")
    took = there.until(lambda: standing(there, evidence)["state"] == "done", "it is not done", 40 * 60)
    step = update_of(there.nodes[BUSY])
    if step["running"] != NEXT:
        raise NotShown(f"done, and the hall runs {step}")
    return f"done {took / 60:.0f} min after the meeting was closed, of which the unit keeps 15 clear"


def broken(there: Five, evidence: Evidence) -> str:
    """A release whose camera falls at its start."""
    there.rollout = start(there, BROKEN)
    took = there.until(lambda: standing(there, evidence)["state"] == "paused", "it is not held", 1800)
    now = standing(there, evidence)
    steps = {name: update_of(there.nodes[name]) for name in (CANARY, BUSY, FREE)}
    evidence.json("steps", steps)
    if now["counts"]["back"] != 1 or any(step["running"] != NEXT for step in steps.values()):
        raise NotShown(f"{now['counts']}, {steps}")
    if touched := [name for name in (BUSY, FREE) if steps[name]["version"] == BROKEN]:
        raise NotShown(f"it went beyond the canary: {touched}")
    return f"held after {took:.0f} s (“{now['why']}”): the canary runs {NEXT} again, the others never saw it"


SHOW_DURING, SHOW_AFTER = [deferred, times], [afterwards, broken]
