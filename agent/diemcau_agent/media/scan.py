"""Looking for a code before the camera, because a box knows nobody yet: a paper of the coordinator.

Pictures are looked at and thrown away; only a code's text leaves this process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import av
import numpy
import zxingcpp
from diemcau_wire.messages import SiteInfo

from diemcau_agent.drivers.cameras import CameraLost, open_camera
from diemcau_agent.ipc import Line

from .device import DeviceThread
from .orders import Scan
from .trial import pictures_of

_EVERY_S = 0.3  # looking costs more than the picture does
_MOST = 2900  # characters a QR code can hold


async def scan(order: Scan, tell: Callable[[Line], None]) -> Line:
    """Look for `order.seconds`: a line `code` {`text`} for each one that is not the last one again; at the
    end `scanned` {`why`, `text`: what was wrong with the camera}. Opening and closing are told."""

    def told(text: str) -> Callable[[], None]:
        return lambda: tell({"type": "code", "text": text})

    def look(thread: DeviceThread) -> None:
        camera = open_camera(order.camera.source, order.video, SiteInfo(id="room", name="room"))
        if camera is None:
            raise CameraLost("no camera is configured", why="missing")
        encoder = "none" if camera.coded else "libx264"
        try:
            thread.tell(lambda: tell({"type": "camera", "open": True, "encoder": encoder}))
            decoder = av.CodecContext.create("h264", "r") if camera.coded else None
            until, next_look, last = time.monotonic() + order.seconds, 0.0, ""
            while not thread.abandoned and time.monotonic() < until:
                frames = pictures_of(camera.read(), decoder)
                if not frames or time.monotonic() < next_look:
                    continue
                next_look = time.monotonic() + _EVERY_S
                found = read_code(frames[-1])
                if found and found != last:
                    last = found
                    thread.tell(told(found))
        finally:
            camera.close()
            thread.tell(lambda: tell({"type": "camera", "open": False, "encoder": encoder}))

    thread = DeviceThread("camera", look)
    thread.start()
    try:
        await asyncio.wait({thread.ended}, timeout=order.seconds + 12)
        if not thread.ended.done():
            return {"type": "scanned", "why": "silent", "text": "the camera does not answer"}
        text = thread.ended.result()
        return {"type": "scanned", "why": "" if text is None else thread.why, "text": (text or "")[:200]}
    finally:
        thread.abandon()


def read_code(frame: av.VideoFrame) -> str:
    """The text of the first QR code in a picture, "" without one. Its brightness is enough."""
    grey = frame.reformat(format="gray")
    plane = grey.planes[0]
    rows = numpy.frombuffer(memoryview(plane), numpy.uint8).reshape(plane.height, plane.line_size)
    found = zxingcpp.read_barcodes(numpy.ascontiguousarray(rows[:, : plane.width]), formats=zxingcpp.QRCode)
    return str(found[0].text)[:_MOST] if found else ""
