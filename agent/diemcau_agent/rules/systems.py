"""An order that a whole system brings, on a box that was flashed with an image: what became of it, pure.

Such an order has the steps of any other. Staged: the system is in the other slot; flipped: the boot loader is
about to be told, and the box to start again. What runs afterwards is seen, never assumed; so whatever a power
cut leaves between two steps leads to the same end.
"""

from __future__ import annotations

from dataclasses import dataclass

from .updating import Cue, State, Step, Why

SYSTEM_WORK_S = 1800.0
"""From the flip to the end of the way back, at worst: a quarter of an hour for the unit to answer, the check,
and three starts of the box."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of the slots. `runs` is the version of the system that runs, `good`: it has shown that the
    room works; `same_start`: the box has not started since the flip; `chosen`: the boot loader was told for
    this order; `left` is why the system in the other slot was left, "" when nobody said."""

    runs: str
    good: bool
    same_start: bool
    chosen: bool
    left: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What that makes of the order. `cue` None: it stays as it is, flipped: tell the boot loader (again),
    gating: it is being judged."""

    cue: Cue | None
    why: str = ""
    text: str = ""


def outcome(state: State, seen: Seen) -> Outcome:
    """What became of an order that is flipped or at the gate."""
    there = seen.runs == state.system
    if state.step is Step.GATING:
        if there:
            return Outcome(Cue.PASSED if seen.good else None)
        return _went_back(Cue.FAILED, seen)
    if there:
        return Outcome(Cue.LINKED_BACK, Why.ORDERED) if state.back else Outcome(Cue.LINKED)
    if seen.same_start:
        return Outcome(None)
    if not seen.chosen:
        return Outcome(Cue.CUT)
    return _went_back(Cue.STAYED if state.back else Cue.FAILED, seen)


def _went_back(cue: Cue, seen: Seen) -> Outcome:
    why, _, text = seen.left.partition(" ")
    if why in (Why.FAULT, Why.SILENT):
        return Outcome(cue, why, text)
    text = seen.left or f"the boot loader went back to {seen.runs}: three starts without an answer"
    return Outcome(cue, Why.BOOTS, text)


def trouble_of(said: str) -> Why:
    """Why a system was not installed, from what RAUC said of it."""
    low = said.lower()
    for words, why in _SAID:
        if any(word in low for word in words):
            return why
    return Why.DAMAGED


_SAID = (
    (("signature", "certificate"), Why.SIGNATURE),
    (("no space left",), Why.DISK_FULL),
    (("compatible",), Why.NO_WHEELS),
    (("failed to connect", "bootloader", "no target slot"), Why.LAYOUT),
)
