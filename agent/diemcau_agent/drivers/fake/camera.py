"""A camera that is a JSON file: what it gives now, changed by whoever writes the file, read again as it runs.

Keys, all with the values of a good one as default:
`plugged` true · `holders` 0, other programs that have it open · `lets_in` true, whether it takes our password
· `answers` true · `codec` "raw" (pictures), "h264", or another that it sends · `width` 640, `height` 360 ·
`fps` 15 · `gop_s` 1, seconds from key frame to key frame · `luma` 110, mean brightness 0 to 255 ·
`contrast` 60, from darkest to brightest · `noise` 2, of the sensor · `moves` true, somebody walks through the
picture · `repeats` false, gives the same picture again · `flicker` 0, share of the light that lamps on the
mains take away and give back · `settles_s` 0, until it is used to the light · `crf` 23, how coarsely it
codes · `delay_s` 0, until it is open · `hang` false, a read does not return while it is true.
"""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from diemcau_wire.messages import Video
from numpy.typing import NDArray

from ..camera_lost import CameraLost
from ..cameras import Description, fit
from ..coded_stream import CodedStream
from ..pace import Pace

_NAP_S = 0.05
_TICK = Fraction(1, 90_000)
_PIECES = 8  # of noise, drawn once; each picture has one of them, moved somewhere else
_DARK = 0.3  # of the light, when a camera begins
_MAINS_HZ = 50

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Effects:
    plugged: bool = True
    holders: int = 0
    lets_in: bool = True
    answers: bool = True
    codec: str = "raw"
    width: int = 640
    height: int = 360
    fps: float = 15
    gop_s: float = 1
    luma: float = 110
    contrast: float = 60
    noise: float = 2
    moves: bool = True
    repeats: bool = False
    flicker: float = 0
    settles_s: float = 0
    crf: float = 23
    delay_s: float = 0
    hang: bool = False


class FakeCamera:
    """The camera in `path`, fitted into `video` where it gives pictures."""

    def __init__(self, path: str, video: Video) -> None:
        self._path, self._video = Path(path), video
        self._closed = threading.Event()
        self._changed_ns, self._effects = 0, _Effects()
        self._pace, self._size = Pace(), (0, 0)
        self._due = 0.0
        self._scene = _Scene(0, 0)
        self._last: Plane | None = None
        self._encoder: av.VideoCodecContext | None = None
        self._coded: CodedStream | None = None
        effects = self._look()
        self._closed.wait(effects.delay_s)
        self._may_open(effects)
        if effects.codec == "h264":
            self._coded = CodedStream(path, self._packet, video)

    @property
    def coded(self) -> bool:
        """Whether it codes itself."""
        return self._coded is not None

    def read(self) -> av.VideoFrame | av.Packet:
        """What the file says, when it is due. Raises :class:`CameraLost`."""
        if self._coded is not None:
            return self._coded.read()
        frame = self._frame()
        self._pace.take(time.monotonic())
        self._size = frame.width, frame.height
        width, height = fit(frame.width, frame.height, self._video)
        return frame.reformat(width=width, height=height, format="yuv420p")

    def describe(self) -> Description:
        """What has come so far."""
        if self._coded is not None:
            return self._coded.describe()
        return Description("raw", *self._size, self._pace.fps)

    def request_key_frame(self) -> None:
        """This one does not know the word."""

    def close(self) -> None:
        """Let it go; a read that hangs returns."""
        self._closed.set()

    def _may_open(self, effects: _Effects) -> None:
        if not effects.answers:
            raise CameraLost(f"{self._path}: nobody answers", why="unreachable")
        if not effects.lets_in:
            raise CameraLost(f"{self._path}: the password is wrong", why="refused")
        if effects.holders:
            raise CameraLost(f"{self._path}: another program has it", why="busy")
        if effects.codec not in ("raw", "h264"):
            raise CameraLost(f"{self._path}: sends {effects.codec}; H.264 is needed", why="unsupported")

    def _frame(self) -> av.VideoFrame:
        """The next picture; its pts counts from when the camera was made, in 90 kHz."""
        effects = self._look()
        while effects.hang and not self._closed.wait(_NAP_S):
            effects = self._look()
        now = time.monotonic()
        self._due = max(self._due + 1 / effects.fps, now - 0.5)
        if self._closed.wait(max(0.0, self._due - now)):
            raise CameraLost(f"{self._path}: has been closed")
        if not effects.answers:
            raise CameraLost(f"{self._path}: has gone silent", why="silent")
        if self._scene.size != (effects.width, effects.height):
            self._scene, self._last = _Scene(effects.width, effects.height), None
        if self._last is None or not effects.repeats:
            self._last = self._scene.draw(effects)
        frame = av.VideoFrame.from_ndarray(self._last, format="yuv420p")
        frame.pts, frame.time_base = round(time.monotonic() * 90_000), _TICK
        return frame

    def _packet(self) -> av.Packet:
        while True:
            frame = self._frame()
            encoder = self._encoder
            if encoder is None or (encoder.width, encoder.height) != (frame.width, frame.height):
                encoder = self._encoder = _encoder(frame.width, frame.height, self._effects)
            for packet in encoder.encode(frame):
                return packet

    def _look(self) -> _Effects:
        """What the file says now. Raises :class:`CameraLost` when it says there is no camera."""
        try:
            changed_ns = self._path.stat().st_mtime_ns
            if changed_ns != self._changed_ns:
                self._effects = _Effects(**json.loads(self._path.read_text(encoding="utf-8")))
                self._changed_ns = changed_ns
        except (OSError, ValueError, TypeError) as error:
            raise CameraLost(f"{self._path}: {error}", why="missing") from error
        if not self._effects.plugged:
            raise CameraLost(f"{self._path}: is not plugged in", why="missing")
        return self._effects


class _Scene:
    """A room in grey: something fixed to see, and somebody who walks through it."""

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        chance = self._chance = np.random.default_rng(7)
        cells = chance.random((height // 24 + 1, width // 24 + 1))
        shape = cells.repeat(24, axis=0).repeat(24, axis=1)
        self._room = shape[:height, :width].astype(np.float32) - 0.5
        self._noise = [chance.standard_normal((height, width), np.float32) for _ in range(_PIECES)]
        self._count = 0

    def draw(self, effects: _Effects) -> Plane:
        """I420: `height` * 3/2 rows."""
        width, height = self.size
        self._count += 1
        light = self._light(effects)
        luma = self._room * (effects.contrast * light) + effects.luma * light
        number, lines = self._chance.integers((_PIECES, max(1, height)))
        noise = self._noise[number] * effects.noise
        luma[lines:] += noise[: height - lines]
        luma[:lines] += noise[height - lines :]
        if effects.moves:
            side = height // 4
            left = self._count * 5 % max(1, width - side)
            luma[-2 * side : -side, left : left + side] += effects.contrast / 2
        picture = np.full((height * 3 // 2, width), 128, np.uint8)
        picture[:height] = np.clip(luma, 16, 235)
        return picture

    def _light(self, effects: _Effects) -> float:
        """The share of the full light in this picture: lamps flash twice in each period of the mains."""
        at_s = self._count / effects.fps
        flash = 1 - effects.flicker * (0.5 + 0.5 * math.sin(4 * math.pi * _MAINS_HZ * 1.003 * at_s))
        if at_s >= effects.settles_s:
            return flash
        return flash * (_DARK + (1 - _DARK) * at_s / effects.settles_s)


def _encoder(width: int, height: int, effects: _Effects) -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base = round(effects.fps), _TICK
    encoder.gop_size, encoder.thread_count = max(1, round(effects.gop_s * effects.fps)), 1
    options = {"preset": "superfast", "tune": "zerolatency", "sc_threshold": "0"}
    encoder.options = options | {"crf": f"{effects.crf:g}"}
    return encoder
