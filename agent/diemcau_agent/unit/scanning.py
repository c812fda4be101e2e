"""Reading a code that somebody holds before the camera of a box that knows nobody yet.

The camera is opened by the media process, as ever; the hall is told before, and sees that it is open. What
it sees goes nowhere: the process looks for a code and gives its text. It looks for some minutes at a time and
only a few times after the box was switched on, so that no camera watches an empty hall for weeks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from diemcau_wire.messages import Video

from diemcau_agent.drivers import v4l2_devices
from diemcau_agent.ipc import Garbage

from .child import Begin, Running
from .daemon_thread import in_daemon_thread
from .lines import flag, text
from .live_light import LiveLight

log = logging.getLogger(__name__)

CAMERA = "DIEMCAU_CODE_CAMERA"  # a source as in a configuration, or none
NOTICE = timedelta(seconds=5)
LOOKS, LOOK_S, PAUSE_S = 3, 180.0, 120.0
_NO_CAMERA_S = 10.0  # one may be plugged in
_END_LIMIT_S = 3.0


class Scanner:
    """Looks while it is wanted. `shown` gets the part `privacy` of what the screen shows, `read` each
    text."""

    def __init__(
        self,
        command: Sequence[str],
        path: Path,
        begin: Begin,
        *,
        shown: Callable[[dict[str, Any]], None],
        read: Callable[[str], None],
        light: LiveLight | None = None,
    ) -> None:
        self._command, self._path, self._begin = command, path, begin
        self._shown, self._read = shown, read
        self._light = light or LiveLight()
        self._wanted, self._unwanted = asyncio.Event(), asyncio.Event()
        self._looks = 0

    def want(self, wanted: bool) -> None:
        """Whether a code would help now."""
        for event, now in ((self._wanted, wanted), (self._unwanted, not wanted)):
            if now:
                event.set()
            else:
                event.clear()

    async def run(self) -> None:
        """Look when it is wanted, until cancelled."""
        while self._looks < LOOKS:
            await self._wanted.wait()
            source = await in_daemon_thread(_camera)
            if source is None:
                await asyncio.sleep(_NO_CAMERA_S)
                continue
            self._looks += 1
            try:
                await self._look(source)
            except OSError as error:
                log.warning("no code can be looked for", extra={"error": str(error)})
            finally:
                self._light.show(False)
                self._shown({})
            await asyncio.sleep(PAUSE_S)

    async def _look(self, source: str) -> None:
        self._shown({"opens_at": (datetime.now(UTC) + NOTICE).isoformat(), "reason": "code"})
        await asyncio.sleep(NOTICE.total_seconds())
        if not self._wanted.is_set():
            return
        child = await self._begin("media", self._command, self._path)
        try:
            video = Video().model_dump()
            child.channel.send(
                {"type": "scan", "camera": {"source": source}, "video": video, "seconds": LOOK_S}
            )
            hearing = asyncio.create_task(self._hear(child), name="codes")
            ending = asyncio.create_task(self._unwanted.wait(), name="unwanted")
            await asyncio.wait({hearing, ending}, timeout=LOOK_S + 30, return_when=asyncio.FIRST_COMPLETED)
            for task in (hearing, ending):
                task.cancel()
        finally:
            child.channel.send({"type": "stop"})
            await asyncio.shield(asyncio.create_task(_end(child), name="end of the look"))

    async def _hear(self, child: Running) -> None:
        async for line in child.channel.lines():
            try:
                match line["type"]:
                    case "camera":
                        open_ = flag(line, "open")
                        self._light.show(open_)
                        self._shown({"camera": open_})
                    case "code":
                        self._read(text(line, "text", 4000))
                    case "scanned":
                        log.info("the camera was closed", extra={"why": text(line, "why", 40)})
                        return
            except Garbage as error:
                log.warning("line of the media process refused", extra={"error": str(error)})


async def _end(child: Running) -> None:
    await child.end(_END_LIMIT_S)
    child.signal(signal.SIGKILL)


def _camera() -> str | None:
    """The camera to look with: the one in `DIEMCAU_CODE_CAMERA`, or the first that is plugged in."""
    named = os.environ.get(CAMERA)
    if named:
        return None if named == "none" else named
    found = v4l2_devices.find()
    return found[0].source if found else None
