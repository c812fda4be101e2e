"""Rows of part `fleet`: releases come to units, wait for meetings, and go back where they break the room."""

from __future__ import annotations

import time
from functools import partial

from tests.lab.report import Evidence, NotShown

from .nodes import Node
from .office import BROKEN, NEXT, Office, update_of

DURING = [
    "a release goes to the halls that are free, while one is in a meeting",
    "a release whose camera is broken goes back by itself",
]
AFTER = ["the hall that had to wait is updated after its meeting"]


def deferred(there: Office, evidence: Evidence) -> str:
    """N to N+1: two halls at once, the third stages it during its meeting and waits."""
    busy = there.nodes[0]
    there.meeting = there.meeting or there.meet([busy], "Họp trong lúc cập nhật")
    for _ in range(4):
        played = there.play("update.yml", evidence, diemcau_version=NEXT)
        steps = {node.name: update_of(node) for node in there.nodes}
        evidence.json("steps", steps)
        if all(step["running"] == NEXT for name, step in steps.items() if name != busy.name):
            break
        there.rest(30)  # a check of the room was going on
    if any(step["running"] != NEXT for name, step in steps.items() if name != busy.name):
        raise NotShown(f"not everywhere: {steps}")
    if steps[busy.name]["running"] == NEXT or steps[busy.name]["step"] != "staged":
        raise NotShown(f"in its meeting {busy.name} is {steps[busy.name]}")
    came = {name: f"{step['fetched_bytes'] / 1e6:.1f} MB" for name, step in steps.items()}
    took = f"{played.took_s:.0f} s"
    return f"two run {NEXT} after {took}; the one in its meeting has it staged and waits; fetched {came}"


def broken(there: Office, evidence: Evidence) -> str:
    """The camera's process falls at its start: the check after the flip says so, and the unit goes back."""
    canary = there.nodes[1]
    began = time.monotonic()
    played = there.try_to("update.yml", evidence, [canary], expected_hosts=1, diemcau_version=BROKEN)
    step = update_of(canary)
    evidence.json("step", step)
    if played.code == 0 or step["step"] != "back" or step["running"] != NEXT:
        raise NotShown(f"{played.failure()}: {step}")
    there.until(partial(idle_with, canary, NEXT), 120, "the unit is not as before")
    return f"back to {NEXT} within {time.monotonic() - began:.0f} s ({step['why']}: {step.get('text')})"


def idle_with(node: Node, version: str) -> bool:
    return bool(update_of(node)["running"] == version)


def afterwards(there: Office, evidence: Evidence) -> str:
    """A quarter of an hour after the meeting nothing is in the way."""
    late = there.nodes[0]
    began = time.monotonic()
    while True:
        played = there.play("update.yml", evidence, [late], expected_hosts=1, diemcau_version=NEXT)
        step = update_of(late)
        evidence.json("step", step)
        if step["running"] == NEXT:
            return f"kept {time.monotonic() - began:.0f} s after it was asked again, in {played.took_s:.0f} s"
        if time.monotonic() - began > 25 * 60:
            raise NotShown(f"it still waits: {step}")
        there.rest(60)
