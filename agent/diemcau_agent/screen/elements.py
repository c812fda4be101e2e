"""What a picture of the screen is made of, in pixels. A scene is a tuple of these, painted in order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .theme import Colour, Face


class Sign(StrEnum):
    """The drawings in `signs/`, 24 × 24 units each, in one colour."""

    READY = "ready"
    REMARK = "remark"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"
    MIC_OPEN = "mic_open"
    MIC_CLOSED = "mic_closed"
    CAMERA = "camera"
    CAMERA_OFF = "camera_off"
    LINK = "link"
    LINK_LOST = "link_lost"
    PHONE = "phone"
    SPEAKING = "speaking"
    RECONNECT = "reconnect"


@dataclass(frozen=True, slots=True)
class Rect:
    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle, its corners rounded by `radius`."""

    rect: Rect
    colour: Colour
    radius: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """One line, its box's upper left corner at (x, y), `size` pixels high in the em."""

    x: int
    y: int
    text: str
    face: Face
    size: int
    colour: Colour


@dataclass(frozen=True, slots=True)
class Drawing:
    """A sign, scaled into a square of `size` pixels."""

    x: int
    y: int
    size: int
    sign: Sign
    colour: Colour


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code of an address, dark on white, as large as whole pixels per module let it be in `rect`."""

    rect: Rect
    address: str


@dataclass(frozen=True, slots=True)
class Hole:
    """Where the picture of a slot goes."""

    rect: Rect
    slot: int


Element = Box | Text | Drawing | Code | Hole
Scene = tuple[Element, ...]
