"""What a picture of the screen is made of, in pixels. A scene is a tuple of these, painted in order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .theme import Colour, Face


class Sign(StrEnum):
    """The drawings in `signs/`: small ones of 24 × 24 units in one colour; those named `do_…` show what
    somebody shall do, larger, the movement in a second colour."""

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
    HAND = "hand"
    TELEVISION = "television"
    DO_PLUG_CAMERA = "do_plug_camera"
    DO_PLUG_MICROPHONE = "do_plug_microphone"
    DO_PLUG_NETWORK = "do_plug_network"
    DO_PLUG_SCREEN = "do_plug_screen"
    DO_POWER = "do_power"
    DO_LENS = "do_lens"
    DO_MICROPHONE = "do_microphone"
    DO_SPEAKER = "do_speaker"
    DO_REMOTE = "do_remote"
    DO_INPUT = "do_input"
    DO_COOL = "do_cool"
    DO_CALL = "do_call"


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
