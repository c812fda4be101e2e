"""A page of 1280 × 720 on which views are written, whatever size the screen really has.

Views give places and sizes in these page units; the page scales them to pixels and keeps 16:9 in the
middle of the screen. What comes out is a scene (`elements.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from .elements import Box, Code, Drawing, Element, Hole, Rect, Scene, Sign, Text
from .fitting import Fitted, fit
from .theme import LINE_HEIGHT, TEXT, Colour, Face

WIDTH, HEIGHT = 1280, 720
INSTRUCTION = 42
"""The smallest size of what people shall do: capitals of Noto Sans are 0.714 of it, 4.1 % of the height."""
Measure = Callable[[str, Face, int], int]  # width in pixels of a line in a face at a size in pixels


class Align(StrEnum):
    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"


class Page:
    """Collects the elements of one scene."""

    def __init__(self, width: int, height: int, measure: Measure) -> None:
        self._scale = min(width / WIDTH, height / HEIGHT)
        self._left = (width - WIDTH * self._scale) / 2
        self._top = (height - HEIGHT * self._scale) / 2
        self._measure = measure
        self._elements: list[Element] = []

    @property
    def scene(self) -> Scene:
        return tuple(self._elements)

    def box(self, x: float, y: float, w: float, h: float, colour: Colour, radius: float = 0) -> None:
        """A filled rectangle."""
        self._elements.append(Box(self._rect(x, y, w, h), colour, round(radius * self._scale)))

    def sign(self, x: float, y: float, size: float, sign: Sign, colour: Colour) -> None:
        """A sign in a square of `size`."""
        place = self._rect(x, y, size, size)
        self._elements.append(Drawing(place.x, place.y, place.h, sign, colour))

    def hole(self, x: float, y: float, w: float, h: float, slot: int) -> None:
        """The place of a slot's picture."""
        self._elements.append(Hole(self._rect(x, y, w, h), slot))

    def code(self, x: float, y: float, size: float, address: str) -> None:
        """A QR code in a square of `size`."""
        self._elements.append(Code(self._rect(x, y, size, size), address))

    def width_of(self, text: str, face: Face, size: int) -> float:
        """Width of one line, in page units."""
        return self._measure(text, face, self._pixels(size)) / self._scale

    def write(
        self,
        text: str,
        x: float,
        y: float,
        w: float,
        h: float,
        *,
        size: int,
        smallest: int | None = None,
        face: Face = Face.REGULAR,
        colour: Colour = TEXT,
        align: Align = Align.LEFT,
        middle: bool = False,
    ) -> float:
        """Text into the box x, y, w, h, as large as `size` and no smaller than `smallest`.

        It begins at the top of the box, or stands in its middle. Returns where it ends, downwards.
        """
        fitted = self._fit(text, w, h, size, smallest or size, face)
        line_height = fitted.size * LINE_HEIGHT
        block = line_height * len(fitted.lines)
        at = y + (h - block) / 2 if middle else y
        pixels = self._pixels(fitted.size)
        for line in fitted.lines:
            width = self._measure(line, face, pixels) / self._scale
            slack = {Align.LEFT: 0.0, Align.CENTRE: (w - width) / 2, Align.RIGHT: w - width}[align]
            place = self._rect(x + slack, at, 0, 0)
            self._elements.append(Text(place.x, place.y, line, face, pixels, colour))
            at += line_height
        return at

    def instruct(
        self,
        text: str,
        x: float,
        y: float,
        w: float,
        h: float,
        *,
        size: int = INSTRUCTION,
        colour: Colour = TEXT,
        align: Align = Align.LEFT,
        middle: bool = False,
    ) -> float:
        """What somebody in the hall shall do: as :meth:`write`, bold, and never too small to be read from
        the last row."""
        return self.write(
            text,
            x,
            y,
            w,
            h,
            size=size,
            smallest=INSTRUCTION,
            face=Face.BOLD,
            colour=colour,
            align=align,
            middle=middle,
        )

    def _fit(self, text: str, w: float, h: float, size: int, smallest: int, face: Face) -> Fitted:
        def measure(line: str, at: int) -> float:
            return self.width_of(line, face, at)

        return fit(text, measure, width=w, height=h, largest=size, smallest=smallest)

    def _pixels(self, size: float) -> int:
        return max(6, round(size * self._scale))

    def _rect(self, x: float, y: float, w: float, h: float) -> Rect:
        left, top = round(self._left + x * self._scale), round(self._top + y * self._scale)
        right = round(self._left + (x + w) * self._scale)
        bottom = round(self._top + (y + h) * self._scale)
        return Rect(left, top, right - left, bottom - top)
