"""Decoded pictures on their way to the screen: counted, put into shared memory, handed over once."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from pathlib import Path

import av
import numpy as np
from diemcau_wire.unix_socket import connect

from diemcau_agent.frames import MAX_PIXELS, FrameWriter
from diemcau_agent.ipc import encode_line

log = logging.getLogger(__name__)

_RETRY_S = 0.5
_LARGEST = 1920, 1080
_PLANAR = ("yuv420p", "yuvj420p")


class PictureSlot:
    """One slot: whose picture it has, and how many came since that site took it."""

    def __init__(self) -> None:
        self.writer = FrameWriter()
        self.site: str | None = None
        self.frames = 0
        self.last: float | None = None

    def assign(self, site: str | None) -> None:
        """Another site takes the slot; the same one changes nothing."""
        if site != self.site:
            self.site, self.frames, self.last = site, 0, None

    def show(self, frame: av.VideoFrame, now: float) -> None:
        """Publish a decoded picture; `now` is the event loop's time, for the watchdog."""
        if frame.width * frame.height > MAX_PIXELS:
            frame = frame.reformat(*_LARGEST)
        if frame.format.name not in _PLANAR:
            frame = frame.reformat(format=_PLANAR[0])
        y, u, v = (_without_padding(plane) for plane in frame.planes)
        self.writer.write(frame.width, frame.height, (y, u, v), time.monotonic_ns())
        self.frames += 1
        self.last = now


class Pictures:
    """All slots, and the connection to the screen that says whether the pictures are there."""

    def __init__(self, slots: int) -> None:
        self.slots = [PictureSlot() for _ in range(slots)]

    async def hand_over(self, screen_socket: str) -> None:
        """Give the screen the slots, and again whenever it has been restarted. Until cancelled."""
        while True:
            try:
                screen = connect(Path(screen_socket))
            except OSError as error:
                log.debug("screen: %s", error)
            else:
                with screen:
                    await self._give(screen)
            await asyncio.sleep(_RETRY_S)

    async def _give(self, screen: socket.socket) -> None:
        """Send the descriptors and wait for the screen's end of file."""
        line = encode_line({"type": "frames", "slots": len(self.slots)})
        try:
            socket.send_fds(screen, [line], [slot.writer.fd for slot in self.slots])
            screen.setblocking(False)
            while await asyncio.get_running_loop().sock_recv(screen, 4096):
                continue
        except OSError as error:
            log.debug("screen: %s", error)


def _without_padding(plane: av.video.plane.VideoPlane) -> bytes:
    if plane.line_size == plane.width:
        return bytes(plane)[: plane.width * plane.height]
    lines = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(plane.height, -1)
    return lines[:, : plane.width].tobytes()
