"""The camera at work: threads read it and encode, and a task opens it again whenever it is lost.

A camera with a smaller stream gives that one while the hall only listens. When the hall gets the floor the
main stream is opened beside it and takes its place at its first key frame, on the same track, so that nobody
misses a picture; and the other way round some seconds after the floor has gone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

import av
from diemcau_wire.messages import Camera as Settings
from diemcau_wire.messages import SiteInfo, Video

from diemcau_agent.drivers.cameras import CameraLost, Description
from diemcau_agent.drivers.onvif import OnvifControl

from .camera_reader import CameraReader
from .h264 import KeyFrameBudget, now_tick
from .watchdog import CAMERA_S

log = logging.getLogger(__name__)

_OPEN_S = 11.0
_LONG_GOP_S = 8.0  # the other stream must begin with a key frame by then
_BACK_OFF_S = (1.0, 2.0, 5.0, 10.0)
_WORKED_UNITS = 30  # a camera that gave this many was a working one
_LINGER_S = 4.0  # the large picture stays so long after the floor has gone: it may come back
_AGAIN_S = 10.0  # until the other stream is tried again


class Listener(Protocol):
    """Who is told about the camera, on the event loop."""

    def camera_opened(self, encoder: str) -> None:
        """It gives pictures; `encoder` is `libx264`, or `none` when they pass through."""

    def camera_changed(self, encoder: str) -> None:
        """It goes on, but is encoded now, or not any more."""

    def camera_closed(self) -> None:
        """It has been let go."""

    def camera_lost(self, text: str) -> None:
        """It cannot be opened or gives nothing any more; it will be tried again."""

    def access_unit(self, packet: av.Packet) -> None:
        """The next access unit, at its time in 90 kHz."""


class CameraFeed:
    """Keeps a camera running until cancelled, any number of times. `why` is the word of the last loss."""

    def __init__(self, settings: Settings, video: Video, site: SiteInfo, listener: Listener) -> None:
        self._settings, self._video, self._site = settings, video, site
        self._listener = listener
        self._moved = asyncio.Event()
        self._speaking = self._large = False
        self._opened = False
        self._current: CameraReader | None = None
        self._held: list[av.Packet] = []
        self._encoder = "none"
        self._last_pts = 0
        self._budget = KeyFrameBudget()
        self._control = self._onvif()
        self.why = ""

    def set_floor(self, speaking: bool) -> None:
        """Whether the hall has the floor: the large picture, and the camera turns to its preset."""
        if speaking == self._speaking:
            return
        self._speaking = speaking
        if speaking:
            self._settle()
            if self._settings.preset is not None and self._control is not None:
                self._control.recall(self._settings.preset)
        else:
            asyncio.get_running_loop().call_later(_LINGER_S, self._settle)

    def request_key_frame(self) -> None:
        """Make a key frame soon; many requests make one a second. Not every camera that codes can."""
        reader = self._current
        if reader is None:
            return
        reader.key_wanted = True
        coded = reader.encoder == "none"
        if coded and self._control is not None and self._budget.spend(now_tick()):
            self._control.request_key_frame(small=reader.small)

    def describe(self) -> tuple[str, Description] | None:
        """`main` or `small`, and what that stream gives; None while nothing comes."""
        reader = self._current
        if reader is None or (description := reader.describe()) is None:
            return None
        return "small" if reader.small else "main", description

    async def run(self) -> None:
        """Open, read, and open again after a loss. Returns only when the source is `none`."""
        failures, small_failed = 0, False
        while True:
            small = self._has_small and not self._large and not small_failed
            self._current = self._start(small=small)
            try:
                reason = await self._attend()
            finally:
                last, self._current = self._current, None
                last.abandon()
                self._close()
            if reason is None:
                return
            small_failed = last.small and not last.units
            self._listener.camera_lost(reason)
            failures = 0 if last.units > _WORKED_UNITS else failures + 1
            await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])

    async def _attend(self) -> str | None:
        """Why the camera is lost; None when there is none. A driver that hangs is left to itself."""
        coming: asyncio.Task[CameraReader | None] | None = None
        moved = asyncio.create_task(self._moved.wait(), name="camera moved")
        try:
            while True:
                reader = self._current
                assert reader is not None
                seen, patience_s = reader.units, CAMERA_S if reader.units else _OPEN_S
                also = [
                    future for future in (reader.began, coming) if future is not None and not future.done()
                ]
                done = await _first(patience_s, reader.ended, moved, *also)
                if reader.ended.done():
                    self.why = reader.why
                    return reader.ended.result()
                if not done and reader.units == seen:
                    self.why = "silent"
                    return f"the camera has given no picture for {patience_s:g} s"
                if coming is not None and coming.done():
                    if (other := coming.result()) is not None:
                        self._take_over(reader, other)
                        reader = other
                    coming = None
                if moved.done():
                    self._moved.clear()
                    moved = asyncio.create_task(self._moved.wait(), name="camera moved")
                if coming is None and self._has_small and reader.small == self._large:
                    coming = asyncio.create_task(self._other(small=not self._large), name="other stream")
        finally:
            moved.cancel()
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
                if not coming.cancelled() and (other := coming.result()) is not None:
                    other.abandon()

    async def _other(self, *, small: bool) -> CameraReader | None:
        """Open the other stream and wait for its first key frame; None, some seconds later, without one."""
        reader = self._start(small=small)
        try:
            await _first(_OPEN_S + _LONG_GOP_S, reader.ended, reader.began)
        except asyncio.CancelledError:
            reader.abandon()
            raise
        if reader.began.done() and not reader.ended.done():
            return reader
        reader.abandon()
        why = reader.ended.result() if reader.ended.done() else "no key frame"
        log.warning("the %s stream does not come: %s", "small" if small else "main", why)
        await asyncio.sleep(_AGAIN_S)
        return None

    def _take_over(self, reader: CameraReader, other: CameraReader) -> None:
        """From its key frame on the other stream is ours."""
        reader.abandon()
        self._current = other
        self.reader_opened(other)
        for packet in self._held:
            self._send(packet)
        self._held.clear()

    def _start(self, *, small: bool) -> CameraReader:
        source = self._settings.small if small and self._settings.small else self._settings.source
        reader = CameraReader(source, self._video, self._site, self, small=small)
        reader.start()
        return reader

    @property
    def _has_small(self) -> bool:
        return self._settings.small is not None or self._settings.source.startswith("onvif:")

    def _onvif(self) -> OnvifControl | None:
        source = self._settings.onvif
        if source is None and self._settings.source.startswith("onvif:"):
            source = self._settings.source
        if source is None:
            return None
        try:
            return OnvifControl(source, lambda text: log.warning("onvif: %s", text))
        except CameraLost as lost:
            log.warning("onvif: %s", lost)
            return None

    def _settle(self) -> None:
        if self._large != self._speaking:
            self._large = self._speaking
            self._moved.set()

    def reader_opened(self, reader: CameraReader) -> None:
        """Of the current one everybody is told. A stream must begin with a key frame: it is asked for one."""
        if reader.encoder == "none" and self._control is not None and not reader.began.done():
            self._control.request_key_frame(small=reader.small)
        if reader is not self._current:
            return
        if not self._opened:
            self._opened = True
            self._listener.camera_opened(reader.encoder)
        elif reader.encoder != self._encoder:
            self._listener.camera_changed(reader.encoder)
        self._encoder = reader.encoder

    def reader_took(self, reader: CameraReader, packet: av.Packet) -> None:
        """An access unit of the current one is sent; of one to come it is held until it takes over."""
        if reader is self._current:
            self._send(packet)
            return
        if packet.is_keyframe:
            self._held.clear()
        self._held.append(packet)

    def _send(self, packet: av.Packet) -> None:
        packet.pts = self._last_pts = max(packet.pts, self._last_pts + 1)
        self._listener.access_unit(packet)

    def _close(self) -> None:
        if self._opened:
            self._opened = False
            self._listener.camera_closed()


async def _first(timeout_s: float, *awaited: asyncio.Future[Any]) -> set[asyncio.Future[Any]]:
    """Those that are done when the first one is, or none after so long."""
    done, _ = await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    return done
