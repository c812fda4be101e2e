"""A service that fails is reported, and started again after a pause with jitter."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


class Pauses:
    """How long to wait before the next attempt: doubling from `first_s` to `longest_s`, with jitter.

    What ran for `steady_s` seconds has its earlier failures forgiven.
    """

    def __init__(
        self, chance: Callable[[], float], *, first_s: float, longest_s: float, steady_s: float = 30
    ) -> None:
        self._chance, self._first_s, self._longest_s, self._steady_s = chance, first_s, longest_s, steady_s
        self._failures = 0

    def after(self, ran_s: float) -> float:
        """The pause in seconds after something that ran for `ran_s` failed."""
        if ran_s >= self._steady_s:
            self._failures = 0
        pause_s = min(self._longest_s, self._first_s * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        return pause_s * (0.5 + 0.5 * self._chance())


async def supervise(name: str, service: Callable[[], Awaitable[None]], chance: Callable[[], float]) -> None:
    """Run `service` until it returns; when it raises, report it and run it again."""
    pauses = Pauses(chance, first_s=0.5, longest_s=30)
    while True:
        began = time.monotonic()
        try:
            await service()
            return
        except Exception:
            log.exception("service failed", extra={"service": name})
        await asyncio.sleep(pauses.after(time.monotonic() - began))
