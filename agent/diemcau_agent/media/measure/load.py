"""How much of the machine this process gets: whether its own timers fire in time."""

from __future__ import annotations

import asyncio
import time

TIMER_S = 0.1


class Lateness:
    """Sets one timer after the other. One that comes late says nothing of why: another process has the
    processor, this one's event loop has too much to do, or the machine is too slow for both."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lost_s = 0.0

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            due = time.monotonic() + TIMER_S
            await asyncio.sleep(TIMER_S)
            self._lost_s += max(0.0, time.monotonic() - due)

    @property
    def share(self) -> float:
        """Of the time since the beginning, what passed between when timers should have fired and when they
        did: 0 on a machine with time to spare, 0.5 on one that does half of what it should."""
        return round(self._lost_s / max(TIMER_S, time.monotonic() - self._began), 2)
