"""One opening of a camera: a thread reads it, encodes what is not coded, and stamps the times."""

from __future__ import annotations

import asyncio
from typing import Protocol

import av
from diemcau_wire.messages import SiteInfo, Video

from diemcau_agent.drivers.cameras import Camera, Description, open_camera

from .device import DeviceThread
from .h264 import TIME_BASE, Encoder, KeyFrameBudget, TimeLine, now_tick


class Owner(Protocol):
    """Who is told what a reader does, on the event loop."""

    def reader_opened(self, reader: CameraReader) -> None:
        """The camera is open, or it is encoded now and was not before."""

    def reader_took(self, reader: CameraReader, packet: av.Packet) -> None:
        """The next access unit, at its time in 90 kHz; the first one is a key frame."""


class CameraReader:
    """Reads `source` until it is abandoned or lost. `small` says which stream it is."""

    def __init__(self, source: str, video: Video, site: SiteInfo, owner: Owner, *, small: bool) -> None:
        self._source, self._video, self._site = source, video, site
        self._owner = owner
        self._thread = DeviceThread("camera", self._work)
        self._camera: Camera | None = None
        self._line, self._last_pts = TimeLine(), -1
        self.small = small
        self.units = 0
        """How many pictures came, sent or not."""
        self.key_wanted = False
        self.encoder = "none"
        self.began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Completes at the first key frame."""

    @property
    def ended(self) -> asyncio.Future[str | None]:
        """Completes with the reason; None when there is no camera."""
        return self._thread.ended

    @property
    def why(self) -> str:
        """The stable word of its loss; empty before."""
        return self._thread.why

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def abandon(self) -> None:
        """Take nothing more from it; it is closed as soon as its driver lets it."""
        self._thread.abandon()

    def describe(self) -> Description | None:
        """What the camera gives; None before it is open."""
        return self._camera.describe() if self._camera is not None else None

    # in the thread

    def _work(self, thread: DeviceThread) -> None:
        camera = open_camera(self._source, self._video, self._site, small=self.small)
        if camera is None:
            return
        try:
            self._camera = camera
            self._open(thread, "none" if camera.coded else "libx264")
            self._read(thread, camera)
        finally:
            camera.close()

    def _open(self, thread: DeviceThread, encoder: str) -> None:
        self.encoder = encoder
        thread.tell(lambda: self._owner.reader_opened(self))

    def _read(self, thread: DeviceThread, camera: Camera) -> None:
        encoder: Encoder | None = None
        budget = KeyFrameBudget()
        while not thread.abandoned:
            got = camera.read()
            self.units += 1
            now = now_tick()
            key = self.key_wanted and budget.spend(now)
            if key:
                self.key_wanted = False
            if isinstance(got, av.Packet):
                if key:
                    camera.request_key_frame()
                got.pts, got.time_base = self._line.at(got.pts, got.time_base, now), TIME_BASE
                self._hand_on(thread, got)
                continue
            if encoder is None or encoder.size != (got.width, got.height):
                encoder = Encoder(got.width, got.height, self._video)
                self._open(thread, "libx264")
            self._last_pts = max(now, self._last_pts + 1)
            for packet in encoder.encode(got, self._last_pts, key=key):
                self._hand_on(thread, packet)

    def _hand_on(self, thread: DeviceThread, packet: av.Packet) -> None:
        thread.tell(lambda: self._take(packet))

    def _take(self, packet: av.Packet) -> None:
        if not self.began.done():
            if not packet.is_keyframe:
                return
            self.began.set_result(None)
        self._owner.reader_took(self, packet)
