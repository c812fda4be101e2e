"""One opening of a device, in a thread of its own: a driver may block, hang and fail as it likes."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


async def let_go(name: str, within_s: float) -> bool:
    """Wait until no opening of the device `name` is left; False when a driver still holds it after that."""
    deadline = time.monotonic() + within_s
    while any(thread.name == name for thread in threading.enumerate()):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


class DeviceThread:
    """Runs `work` in a daemon thread; what it tells reaches the event loop until it is abandoned.

    `ended` completes with the reason, or None when `work` returned: there is no such device. An OSError
    (`CameraLost`, `MicrophoneLost`) is an expected end, anything else is logged with its trace. `why` is the
    reason in the driver's own stable word, "" before there is one.
    """

    def __init__(self, name: str, work: Callable[[DeviceThread], None]) -> None:
        self._name, self._work = name, work
        self._loop = asyncio.get_running_loop()
        self.abandoned = False
        self.why = ""
        self.ended: asyncio.Future[str | None] = self._loop.create_future()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def abandon(self) -> None:
        """Take nothing more from it; `work` sees `abandoned` and returns when its driver lets it."""
        self.abandoned = True

    def tell(self, do: Callable[[], None]) -> None:
        """From the thread: do something on the event loop."""
        try:
            self._loop.call_soon_threadsafe(lambda: None if self.abandoned else do())
        except RuntimeError:  # the loop has ended before the driver came back
            self.abandoned = True

    def _run(self) -> None:
        reason: str | None = None
        try:
            self._work(self)
        except OSError as lost:
            reason, self.why = str(lost), str(getattr(lost, "why", "lost"))
        except Exception as error:
            log.exception("%s: driver failed", self._name)
            reason, self.why = f"{type(error).__name__}: {error}", "lost"
        self.tell(lambda: self._end(reason))

    def _end(self, reason: str | None) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
