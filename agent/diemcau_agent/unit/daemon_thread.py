"""Blocking calls beside the event loop that must not hold up the end of the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

_R = TypeVar("_R")


async def in_daemon_thread(work: Callable[[], _R]) -> _R:
    """Run `work` in a daemon thread and wait for it.

    Unlike `asyncio.to_thread` the process can end while it still runs; cancelled, its result is dropped.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_R] = loop.create_future()

    def settle(result: _R | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # the event loop is closed, nobody waits

    threading.Thread(target=run, daemon=True, name="blocking").start()
    return await done
