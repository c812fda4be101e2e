"""The check before a meeting: camera and microphone judged by what they give, and the way in tried."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import av
import numpy as np
from diemcau_wire.messages import SiteInfo
from numpy.typing import NDArray

from diemcau_agent.drivers.cameras import Camera, open_camera
from diemcau_agent.drivers.microphones import BLOCK, RATE_HZ, open_microphone
from diemcau_agent.ipc import Line

from .device import DeviceThread
from .janus import Janus, JanusLost, JanusRefused
from .mixing import decibels
from .orders import Check
from .room import way_in

CAMERA_S, LOOK_S = 5.0, 1.5
MICROPHONE_S, LISTEN_S = 2.0, 0.8
SILENT_DB = -60.0
BLACK_LUMA, BLACK_BRIGHTEST = 24.0, 48.0
SAME = 0.02  # mean difference of luma between two pictures that are the same

Luma = NDArray[np.uint8]
What = Literal[
    "camera_missing",
    "camera_black",
    "camera_frozen",
    "microphone_missing",
    "microphone_silent",
    "janus_unreachable",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong."""

    what: What
    text: str


def judge_pictures(lumas: Sequence[Luma]) -> Finding | None:
    """What is wrong with pictures taken one after another over a second or more. Pure."""
    if not lumas:
        return Finding("camera_missing", "the camera gives no picture")
    newest = lumas[-1]
    if newest.mean() < BLACK_LUMA and np.percentile(newest, 99) < BLACK_BRIGHTEST:
        return Finding("camera_black", "the picture is black")
    moves = [
        float(np.abs(later.astype(np.int16) - earlier).mean()) for earlier, later in itertools.pairwise(lumas)
    ]
    if not moves or np.median(moves) < SAME:
        return Finding("camera_frozen", "the picture does not change")
    return None


def judge_sound(samples: NDArray[np.int16]) -> Finding | None:
    """What is wrong with recorded sound. Pure."""
    level = decibels(float(np.square(samples.astype(np.float64)).mean())) if samples.size else -100.0
    if level < SILENT_DB:
        return Finding("microphone_silent", f"level {level:g} dBFS")
    return None


async def check(order: Check, tell: Callable[[Line], None]) -> Line:
    """Do it all, at most about 7 s. Returns the line `checked`."""
    found = await asyncio.gather(_camera(order, tell), _microphone(order, tell), _janus(order))
    findings = [finding for finding in found if finding is not None]
    return {
        "type": "checked",
        "ok": not findings,
        "findings": [{"what": finding.what, "text": finding.text} for finding in findings],
    }


async def _camera(order: Check, tell: Callable[[Line], None]) -> Finding | None:
    lumas: list[Luma] = []
    exists = True

    def look(thread: DeviceThread) -> None:
        nonlocal exists
        camera = open_camera(order.camera.source, order.video, SiteInfo(id="check", name="check"))
        if camera is None:
            exists = False
            return
        try:
            encoder = "none" if camera.coded else "libx264"
            thread.tell(lambda: tell({"type": "camera", "open": True, "encoder": encoder}))
            until = time.monotonic() + LOOK_S
            decoder = av.CodecContext.create("h264", "r") if camera.coded else None
            while time.monotonic() < until and not thread.abandoned:
                lumas.extend(_lumas(camera, decoder))
        finally:
            camera.close()
            thread.tell(lambda: tell({"type": "camera", "open": False, "encoder": encoder}))

    thread = DeviceThread("camera", look)
    problem = await _finish(thread, CAMERA_S + LOOK_S)
    if not exists:
        return None
    if not lumas:
        return Finding("camera_missing", problem or "the camera gives no picture")
    return judge_pictures(lumas)


def _lumas(camera: Camera, decoder: av.CodecContext | None) -> list[Luma]:
    """Brightness of what the camera gives next, a quarter in each direction."""
    got = camera.read()
    try:
        frames = [got] if decoder is None else decoder.decode(got)
    except av.FFmpegError:  # before the first key frame
        return []
    return [_luma(frame) for frame in frames]


def _luma(frame: av.VideoFrame) -> Luma:
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(plane.height, -1)
    return lines[::4, : plane.width : 4].copy()


async def _microphone(order: Check, tell: Callable[[Line], None]) -> Finding | None:
    blocks: list[NDArray[np.int16]] = []
    exists = True

    def listen(thread: DeviceThread) -> None:
        nonlocal exists
        microphone = open_microphone(order.microphone.source)
        if microphone is None:
            exists = False
            return
        try:
            thread.tell(lambda: tell({"type": "microphone", "open": True}))
            while len(blocks) < LISTEN_S * RATE_HZ / BLOCK and not thread.abandoned:
                blocks.append(microphone.read())
        finally:
            microphone.close()
            thread.tell(lambda: tell({"type": "microphone", "open": False}))

    thread = DeviceThread("microphone", listen)
    problem = await _finish(thread, MICROPHONE_S + LISTEN_S)
    if not exists:
        return None
    if not blocks:
        return Finding("microphone_missing", problem or "the microphone gives no sound")
    return judge_sound(np.concatenate(blocks))


async def _finish(thread: DeviceThread, timeout_s: float) -> str | None:
    """Run a device thread; returns why it failed, None when it did not."""
    thread.start()
    try:
        await asyncio.wait({thread.ended}, timeout=timeout_s)
        return thread.ended.result() if thread.ended.done() else f"no answer within {timeout_s:g} s"
    finally:
        thread.abandon()


async def _janus(order: Check) -> Finding | None:
    if order.join is None:
        return None
    try:
        janus = await Janus.connect(order.join.url, order.ca)
        try:
            handle = await janus.attach(lambda _: None)
            refusal = await way_in(janus, handle, order.join)
        finally:
            await janus.aclose()
    except (JanusLost, JanusRefused) as error:
        return Finding("janus_unreachable", str(error))
    return Finding("janus_unreachable", refusal) if refusal is not None else None
