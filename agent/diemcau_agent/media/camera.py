"""The camera at work: a thread reads it and encodes, and a task opens it again whenever it is lost."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import av
from diemcau_wire.messages import SiteInfo, Video

from diemcau_agent.drivers.cameras import Camera, open_camera

from .device import DeviceThread
from .h264 import TIME_BASE, Encoder, KeyFrameBudget, TimeLine
from .watchdog import CAMERA_S

_OPEN_S = 8.0
_BACK_OFF_S = (1.0, 2.0, 5.0, 10.0)
_WORKED_UNITS = 30  # a camera that gave this many was a working one


class Listener(Protocol):
    """Who is told about the camera, on the event loop."""

    def camera_opened(self, encoder: str) -> None:
        """It gives pictures; `encoder` is `libx264`, or `none` when they pass through."""

    def camera_closed(self) -> None:
        """It has been let go."""

    def camera_lost(self, text: str) -> None:
        """It cannot be opened or gives nothing any more; it will be tried again."""

    def access_unit(self, packet: av.Packet) -> None:
        """The next access unit, at its time in 90 kHz."""


class CameraFeed:
    """Keeps a camera running until cancelled."""

    def __init__(self, source: str, video: Video, site: SiteInfo, listener: Listener) -> None:
        self._source, self._video, self._site = source, video, site
        self._listener = listener
        self._key_wanted = False
        self._opened = False
        self._units = 0

    def request_key_frame(self) -> None:
        """Make a key frame soon; many requests make one a second. Passed-through video cannot."""
        self._key_wanted = True

    async def run(self) -> None:
        """Open, read, and open again after a loss. Returns only when the source is `none`."""
        failures = 0
        while True:
            self._units, self._key_wanted = 0, False
            thread = DeviceThread("camera", self._work)
            thread.start()
            try:
                reason = await self._watch(thread)
            finally:
                thread.abandon()
                self._close()
            if reason is None:
                return
            self._listener.camera_lost(reason)
            failures = 0 if self._units > _WORKED_UNITS else failures + 1
            await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])

    async def _watch(self, thread: DeviceThread) -> str | None:
        """Why the camera is lost; None when there is none. A driver that hangs is left to itself."""
        while True:
            seen, patience_s = self._units, CAMERA_S if self._opened else _OPEN_S
            await asyncio.wait({thread.ended}, timeout=patience_s)
            if thread.ended.done():
                return thread.ended.result()
            if self._units == seen:
                return f"the camera has given no picture for {patience_s:g} s"

    def _open(self, encoder: str) -> None:
        self._opened = True
        self._listener.camera_opened(encoder)

    def _close(self) -> None:
        if self._opened:
            self._opened = False
            self._listener.camera_closed()

    def _take(self, packet: av.Packet) -> None:
        self._units += 1
        self._listener.access_unit(packet)

    # in the thread

    def _work(self, thread: DeviceThread) -> None:
        camera = open_camera(self._source, self._video, self._site)
        if camera is None:
            return
        try:
            encoder = "none" if camera.coded else "libx264"
            thread.tell(lambda: self._open(encoder))
            if camera.coded:
                self._pass_through(thread, camera)
            else:
                self._encode(thread, camera)
        finally:
            camera.close()

    def _pass_through(self, thread: DeviceThread, camera: Camera) -> None:
        line = TimeLine()
        while not thread.abandoned:
            packet = camera.read()
            packet.pts = line.at(packet.pts, packet.time_base, _now())
            packet.time_base = TIME_BASE
            self._hand_on(thread, packet)

    def _encode(self, thread: DeviceThread, camera: Camera) -> None:
        encoder: Encoder | None = None
        budget, last_pts = KeyFrameBudget(), -1
        while not thread.abandoned:
            frame = camera.read()
            if encoder is None or encoder.size != (frame.width, frame.height):
                encoder = Encoder(frame.width, frame.height, self._video)
            pts = max(_now(), last_pts + 1)
            if key := self._key_wanted and budget.spend(pts):
                self._key_wanted = False
            for packet in encoder.encode(frame, pts, key=key):
                self._hand_on(thread, packet)
            last_pts = pts

    def _hand_on(self, thread: DeviceThread, packet: av.Packet) -> None:
        thread.tell(lambda: self._take(packet))


def _now() -> int:
    """This moment in ticks of 90 kHz."""
    return time.monotonic_ns() * 9 // 100_000
