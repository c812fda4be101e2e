"""Does the room work with a system that was just installed? Asked once after the first start of a slot, by
`diemcau-good.service` of an image: the same check, judged by the same rule as for a release.

`python -m diemcau_agent.updating.slot_gate`, exit codes: 0 it does, or this box serves no hall yet;
1 it does not; 75 a meeting runs, ask again later.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from diemcau_agent.rules.updating import GATE_S, judge

from . import orders, releases
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
    """Have the room checked, and compare with what was wrong when it was checked last. Raises OSError."""
    if not places.coordinator.exists():
        return PASSED
    asking, running = Asking(places, pause=pause, seconds=seconds), releases.running(places) or ""
    last = asking.last_check()
    before = last.found if last is not None and not last.busy else None
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
            log.error("this system breaks the room", extra={"found": " ".join(judged.broken)})
            return BROKEN
        pause(LOOK_S)
    log.error("no check of the room", extra={"within_s": limit_s})
    return BROKEN


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(gate(Places(Path("/"))))
