"""Colours and faces of the hall screen: dark and calm, readable from 5 m."""

from __future__ import annotations

from enum import StrEnum

Colour = tuple[int, int, int]

GROUND: Colour = (11, 18, 28)
PANEL: Colour = (22, 33, 48)
LINE: Colour = (42, 57, 77)
WHITE: Colour = (255, 255, 255)
TEXT: Colour = (242, 246, 250)
MUTED: Colour = (164, 180, 198)
ACCENT: Colour = (118, 186, 255)
GOOD: Colour = (92, 208, 142)
CARE: Colour = (250, 196, 76)
BAD: Colour = (255, 143, 136)
LIVE: Colour = (165, 20, 26)
BLACK: Colour = (0, 0, 0)


class Face(StrEnum):
    """Font files, as Debian's fonts-noto-core names them."""

    REGULAR = "NotoSans-Regular.ttf"
    BOLD = "NotoSans-Bold.ttf"


FONTS = "/usr/share/fonts/truetype/noto"
LINE_HEIGHT = 1.4
