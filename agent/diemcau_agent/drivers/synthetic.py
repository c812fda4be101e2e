"""A camera that is drawn: the site's name, a running clock, something moving, and a code machines read.

The code is a QR symbol with the text `DC1 <site id> <unix ms>`, so whoever sees the picture anywhere
knows whose it is and how old. Only luminance changes from frame to frame; the rest is drawn once.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import av
import numpy as np
import segno
from diemcau_wire.messages import SiteInfo, Video
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .cameras import Description
from .pace import Pace
from .pacing import Pacer

_FONTS = Path("/usr/share/fonts/truetype/noto")
_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
_GROUND, _GROUND_U, _GROUND_V = 38, 136, 122  # a dark, slightly blue ground
_INK, _LIGHT = 225, 120
_QUIET = 4  # modules of white around the symbol, ISO/IEC 18004
_MASK = 2
_CAPACITY_L = ((2, 32), (3, 53), (4, 78), (5, 106))  # version, bytes at error level L

Plane = NDArray[np.uint8]


def code_text(site: str, unix_ms: int) -> str:
    """The text in the picture."""
    return f"DC1 {site} {unix_ms}"


class SyntheticCamera:
    """Draws `video.width` x `video.height` at `video.fps`."""

    coded = False

    def __init__(self, video: Video, site: SiteInfo) -> None:
        self._site = site.id
        self._width, self._height = video.width // 2 * 2, video.height // 2 * 2
        self._pacer = Pacer(1 / video.fps)
        self._pace = Pace()
        self._count = 0
        self._version = _version(site.id)
        modules = 17 + 4 * self._version + 2 * _QUIET
        self._module = max(2, min(int(self._height * 0.66), int(self._width * 0.48)) // modules)
        side = modules * self._module
        margin = self._height // 18
        self._code_at = (self._height // 2 - side // 2 + margin, self._width - side - margin)
        self._base = self._ground(site.name, margin)
        self._glyphs = _glyphs(self._height // 9)
        self._clock_at = (self._height // 2 - self._glyphs["0"].shape[0] // 2, margin)
        self._ball = _ball(self._height // 8)

    def read(self) -> av.VideoFrame:
        """Wait for the frame's time and draw it."""
        self._pacer.wait()
        self._pace.take(time.monotonic())
        return av.VideoFrame.from_ndarray(self.draw(time.time_ns() // 1_000_000), format="yuv420p")

    def describe(self) -> Description:
        """As asked for."""
        return Description("drawn", self._width, self._height, self._pace.fps)

    def request_key_frame(self) -> None:
        """Its pictures are not coded."""

    def close(self) -> None:
        """Nothing to let go."""

    def draw(self, unix_ms: int) -> Plane:
        """The picture at a time: I420 as an array of height * 3/2 rows."""
        picture = self._base.copy()
        self._put(picture, self._clock_at, self._clock(unix_ms))
        self._put(picture, self._code_at, self._code(unix_ms))
        self._move(picture)
        self._count += 1
        return picture

    def _clock(self, unix_ms: int) -> Plane:
        now = datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(_ZONE)
        text = f"{now:%H:%M:%S}.{now.microsecond // 100_000}"
        return np.concatenate([self._glyphs[letter] for letter in text], axis=1)

    def _code(self, unix_ms: int) -> Plane:
        symbol = segno.make(
            code_text(self._site, unix_ms),
            version=self._version,
            error="l",
            mask=_MASK,
            mode="byte",
            micro=False,
            boost_error=False,
        )
        dark = np.array([list(row) for row in symbol.matrix], dtype=np.uint8)
        light = np.pad(np.where(dark, 16, 235).astype(np.uint8), _QUIET, constant_values=235)
        return light.repeat(self._module, axis=0).repeat(self._module, axis=1)

    def _move(self, picture: Plane) -> None:
        """A ball rolls along the bottom, there and back."""
        size = self._ball.shape[0]
        run = self._code_at[1] - 2 * size
        if run <= 0:
            return
        at = self._count * 3 % (2 * run)
        left = size // 2 + (at if at < run else 2 * run - at)
        top = self._height - size - size // 2
        ground = picture[top : top + size, left : left + size]
        np.maximum(ground, self._ball, out=ground)

    @staticmethod
    def _put(picture: Plane, at: tuple[int, int], piece: Plane) -> None:
        top, left = max(0, at[0]), max(0, at[1])
        place = picture[top : top + piece.shape[0], left : left + piece.shape[1]]
        place[:] = piece[: place.shape[0], : place.shape[1]]

    def _ground(self, name: str, margin: int) -> Plane:
        image = Image.new("L", (self._width, self._height), _GROUND)
        size = self._height // 9
        while size > 8 and _font(size).getlength(name) > self._width - 2 * margin:
            size -= 1
        ImageDraw.Draw(image).text((margin, margin), name, fill=_INK, font=_font(size))
        picture = np.empty((self._height * 3 // 2, self._width), np.uint8)
        picture[: self._height] = np.asarray(image)
        chroma = picture[self._height :].reshape(2, -1)
        chroma[0], chroma[1] = _GROUND_U, _GROUND_V
        return picture


def _version(site: str) -> int:
    length = len(code_text(site, 10**12))
    return next(version for version, capacity in _CAPACITY_L if length <= capacity)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in ("NotoSans-Bold.ttf", "NotoSans-Regular.ttf"):
        if (_FONTS / name).exists():
            return ImageFont.truetype(str(_FONTS / name), size)
    return ImageFont.load_default(size)


def _glyphs(size: int) -> dict[str, Plane]:
    """The letters of a clock, each drawn once, all digits as wide as each other."""
    font = _font(size)
    digit = max(int(font.getlength(letter)) for letter in "0123456789") + 1
    glyphs = {}
    for letter in "0123456789:.":
        width = digit if letter.isdigit() else int(font.getlength(letter)) + 2
        image = Image.new("L", (width, int(size * 1.4)), _GROUND)
        ImageDraw.Draw(image).text((0, 0), letter, fill=_INK, font=font)
        glyphs[letter] = np.asarray(image)
    return glyphs


def _ball(size: int) -> Plane:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    inside = np.clip(size / 2 - np.hypot(y, x), 0, 1)
    return np.asarray(inside * _LIGHT, dtype=np.uint8)
