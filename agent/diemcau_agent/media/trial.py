"""Trying one device outside a meeting, because somebody asked: a tone from a loudspeaker, a picture of a
camera. Each in a process of its own, as everything that opens a device."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from diemcau_wire.messages import SiteInfo

from diemcau_agent.drivers.cameras import CameraLost, open_camera
from diemcau_agent.drivers.sound_outputs import open_sound_output
from diemcau_agent.ipc import Line

from .chime import Chime
from .device import DeviceThread
from .orders import RoomPicture, Tone

TONE_S = 2.0
_PLAY_LIMIT_S = 9.0
_LOOK_S, _LOOK_LIMIT_S = 2.0, 12.0  # a camera needs a moment to get used to the light
_WIDTH, _HEIGHT = 640, 360
_QUALITIES = (4, 8, 16, 31)  # FFmpeg's scale for JPEG, best first
_MOST_BYTES = 44_000  # goes to the unit in one line, in base64


async def tone(order: Tone) -> Line:
    """Play two notes, real time, and answer `played`."""

    def play(_: DeviceThread) -> None:
        output = open_sound_output(order.sound.output, volume_percent=order.sound.volume_percent)
        try:
            chime = Chime()
            chime.sound(TONE_S)
            while (block := chime.pull()) is not None:
                output.write(block)
        finally:
            output.close()

    return {"type": "played", **await _answer(DeviceThread("sound", play), _PLAY_LIMIT_S)}


async def room_picture(order: RoomPicture, tell: Callable[[Line], None]) -> Line:
    """Take one picture and answer `taken`, with the JPEG in base64. Opening and closing are told."""
    frames: list[av.VideoFrame] = []

    def look(thread: DeviceThread) -> None:
        camera = open_camera(order.camera.source, order.video, SiteInfo(id="room", name="room"))
        if camera is None:
            raise CameraLost("no camera is configured", why="missing")
        encoder = "none" if camera.coded else "libx264"
        try:
            thread.tell(lambda: tell({"type": "camera", "open": True, "encoder": encoder}))
            decoder = av.CodecContext.create("h264", "r") if camera.coded else None
            until = time.monotonic() + _LOOK_S
            while not thread.abandoned and (time.monotonic() < until or not frames):
                frames[:] = pictures_of(camera.read(), decoder)[-1:] or frames
        finally:
            camera.close()
            thread.tell(lambda: tell({"type": "camera", "open": False, "encoder": encoder}))

    answer = await _answer(DeviceThread("camera", look), _LOOK_LIMIT_S)
    if not answer["ok"] or not frames:
        return {"type": "taken", **answer}
    width, height, data = _jpeg(frames[0])
    jpeg = base64.b64encode(data).decode()
    return {"type": "taken", **answer, "width": width, "height": height, "jpeg": jpeg}


async def _answer(thread: DeviceThread, limit_s: float) -> dict[str, Any]:
    thread.start()
    try:
        await asyncio.wait({thread.ended}, timeout=limit_s)
        if not thread.ended.done():
            return {"ok": False, "why": "silent", "text": f"no answer within {limit_s:g} s"}
        text = thread.ended.result()
        return {"ok": text is None, "why": "" if text is None else thread.why, "text": (text or "")[:200]}
    finally:
        thread.abandon()


def pictures_of(got: Any, decoder: av.CodecContext | None) -> list[av.VideoFrame]:
    """The pictures in what a camera gave; none before the first key frame of one that codes."""
    if decoder is None or isinstance(got, av.VideoFrame):
        return [got]
    try:
        return list(decoder.decode(got))
    except av.FFmpegError:
        return []


def _jpeg(frame: av.VideoFrame) -> tuple[int, int, bytes]:
    """Width, height and the picture at the best quality that fits into a line."""
    scale = min(1.0, _WIDTH / frame.width, _HEIGHT / frame.height)
    width, height = (max(2, int(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="yuvj420p")
    small.pts, data = 0, b""
    for quality in _QUALITIES:
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
        encoder.time_base = Fraction(1, 25)
        encoder.options = {"qmin": str(quality), "qmax": str(quality)}
        data = b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])
        if len(data) <= _MOST_BYTES:
            break
    return width, height, data
