"""Does the room work with a system that was just installed? Asked once after the first start of a slot, by
`diemcau-good.service` of an image: the same check, judged by the same rule as for a release.

`python -m diemcau_agent.updating.slot_gate`, exit codes: 0 it does, or this box serves no hall yet;
1 it does not, and why is printed: `fault` or `silent`, and more; 75 a meeting runs, ask again later.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from diemcau_agent.rules.updating import GATE_S, State, Step, Why, judge

from . import orders, records, releases
from .asking import Asking
from .places import Places

log = logging.getLogger(__name__)

PASSED, BROKEN, NOT_NOW = 0, 1, 75
LOOK_S = 2.0


def gate(
    places: Places,
    *,
    pause: Callable[[float], None] = time.sleep,
    seconds: Callable[[], float] = time.monotonic,
    limit_s: float = GATE_S,
) -> int:
    """Have the room checked, and compare with what was wrong before the system was changed, or else when the
    room was checked last. Raises OSError."""
    if not places.coordinator.exists():
        return PASSED
    asking, running = Asking(places, pause=pause, seconds=seconds), releases.running(places) or ""
    before = _before(places, asking)
    until = seconds() + limit_s
    while (left := until - seconds()) > 0:
        answer = asking.check(f"slot-{orders.new_id()}", running, left)
        if answer is None:
            break
        if answer.busy:
            log.info("the room cannot be checked now", extra={"why": answer.busy})
            return NOT_NOW
        judged = judge(before, answer.found)
        if judged.passed:
            return PASSED
        if judged.broken:
            _say(Why.FAULT, " ".join(judged.broken))
            return BROKEN
        pause(LOOK_S)
    _say(Why.SILENT, f"no check of the room within {limit_s:.0f} s")
    return BROKEN


def _before(places: Places, asking: Asking) -> tuple[str, ...] | None:
    """What was wrong with the room; None when nobody can say."""
    state = records.read(State, places.state)
    if state is not None and state.system and state.step in (Step.FLIPPED, Step.GATING):
        return state.before  # the last check may be one of this system, before the power was cut
    last = asking.last_check()
    return last.found if last is not None and not last.busy else None


def _say(why: Why, text: str) -> None:
    print(why, text, flush=True)  # noqa: T201


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(gate(Places(Path("/"))))
