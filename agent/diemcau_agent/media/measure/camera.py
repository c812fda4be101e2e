"""The part `camera`: opened, read for some seconds, closed. Values as `checks/camera.py` judges them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import av
import numpy as np
from diemcau_wire.messages import SiteInfo

from diemcau_agent.drivers.cameras import open_camera
from diemcau_agent.ipc import Line

from ..device import DeviceThread
from ..orders import Check
from .looking import Looking, Luma

log = logging.getLogger(__name__)

OPEN_S = 11.0
LOOK_S, LONGER_S = 4.0, 10.0
_FIRST_S = 4.0  # an open camera without any picture for so long gives none


async def camera(order: Check, tell: Callable[[Line], None]) -> dict[str, Any] | None:
    """Measure it; None when none is configured. Opening and closing are told."""
    if order.camera.source == "none":
        return None
    look = _Look(order, tell)
    thread = DeviceThread("camera", look.work)
    thread.start()
    try:
        await asyncio.wait({thread.ended}, timeout=OPEN_S + LONGER_S)
    finally:
        thread.abandon()
        if look.opened:
            tell({"type": "camera", "open": False, "encoder": look.encoder})
    if not thread.ended.done():
        return {"why": "hung", "text": "its driver does not come back"}
    if (problem := thread.ended.result()) is not None and (thread.why or not look.looking.pictures):
        return {"why": thread.why or "lost", "text": problem[:200]}
    return look.values()


class _Look:
    """One look at the camera, in a thread."""

    def __init__(self, order: Check, tell: Callable[[Line], None]) -> None:
        self._order, self._tell = order, tell
        self._units = 0
        self._times: list[float] = []
        self._keys: list[float] = []
        self._codec = ""
        self.looking = Looking()
        self.opened = False
        self.encoder = "none"

    def work(self, thread: DeviceThread) -> None:
        """Open, look, close."""
        order = self._order
        camera = open_camera(order.camera.source, order.video, SiteInfo(id="check", name="check"))
        if camera is None:
            return
        try:
            thread.tell(lambda: self._say_open(coded=camera.coded))
            self._codec = "h264" if camera.coded else "raw"
            began = time.monotonic()
            decoder = av.CodecContext.create("h264", "r")
            while not thread.abandoned and not self._enough(time.monotonic() - began):
                self._take(camera.read(), decoder)
        finally:
            camera.close()

    def values(self) -> dict[str, Any]:
        """Everything that was measured."""
        values = self.looking.values()
        span = self._times[-1] - self._times[0] if len(self._times) > 1 else 0.0
        values["codec"] = self._codec
        values["fps"] = round((len(self._times) - 1) / span, 1) if span > 0 else None
        if self._codec == "h264" and self._keys:
            ends = [*self._keys[1:], self._times[-1]]
            longest = max(end - key for key, end in zip(self._keys, ends, strict=True))
            values["gop_s"] = round(longest, 2)
        return values

    def _say_open(self, *, coded: bool) -> None:
        self.opened, self.encoder = True, "none" if coded else "libx264"
        self._tell({"type": "camera", "open": True, "encoder": self.encoder})

    def _enough(self, seconds: float) -> bool:
        if seconds < LOOK_S:
            return False
        if not self.looking.pictures:
            return seconds >= max(LOOK_S, _FIRST_S) + (LOOK_S if self._units else 0)
        keys_known = self._codec != "h264" or len(self._keys) > 1
        return seconds >= LONGER_S or (keys_known and self.looking.decided)

    def _take(self, got: av.VideoFrame | av.Packet, decoder: av.CodecContext) -> None:
        now = time.monotonic()
        self._units += 1
        self._times.append(now)
        if isinstance(got, av.VideoFrame):
            self.looking.take(_luma(got), now, key=True)
            return
        if got.is_keyframe:
            self._keys.append(now)
        try:
            frames = decoder.decode(got)
        except av.FFmpegError as error:  # before the first key frame, or a damaged one
            log.debug("camera: %s", error)
            return
        for frame in frames:
            self.looking.take(_luma(frame), now, key=bool(frame.key_frame))


def _luma(frame: av.VideoFrame) -> Luma:
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(plane.height, -1)
    return lines[:, : plane.width]
