"""Real time for sources that have no clock of their own."""

from __future__ import annotations

import time

_LATE_S = 0.5


class Pacer:
    """Lets a thread go on once every `period_s`; after a stall of more than `late_s` it starts anew instead
    of catching up."""

    def __init__(self, period_s: float, late_s: float = _LATE_S) -> None:
        self._period_s, self._late_s = period_s, late_s
        self._next = time.monotonic()

    def wait(self) -> None:
        """Sleep until the next turn."""
        self._next += self._period_s
        ahead = self._next - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        elif ahead < -self._late_s:
            self._next = time.monotonic()
