"""Keep a background service running: report why it ended, wait a little longer each time, start it again."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

_FIRST_S, _LONGEST_S = 0.5, 3.0
_HEALTHY_S = 60.0

log = logging.getLogger(__name__)


async def supervise(name: str, service: Callable[[], Awaitable[None]]) -> None:
    """Run `service` until cancelled. One that returns has done its work and is not started again."""
    pause_s = _FIRST_S
    while True:
        since = time.monotonic()
        try:
            await service()
            return
        except Exception as error:  # noqa: BLE001 - reported; a cancellation is no Exception and passes
            cause = _cause(error)
            log.warning(
                "service failed", extra={"service": name, "error": f"{type(cause).__name__}: {cause}"}
            )
        if time.monotonic() - since > _HEALTHY_S:
            pause_s = _FIRST_S
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
        pause_s = min(2 * pause_s, _LONGEST_S)


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` now and then again and again, `seconds` after it was done."""
    while True:
        await work()
        await asyncio.sleep(seconds)


def _cause(error: Exception) -> BaseException:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
