"""The QR code of the hall's phone page: how a hall asks for the floor, and says no to an urgent meeting.

41 squares across (an address of up to 106 bytes, with the white around it) at 7 units each is 287 units:
21 cm on a television of 43 inches, which a phone reads from 3 m.
"""

from __future__ import annotations

from ..page import Align, Page
from ..theme import MUTED, TEXT, Face

LARGE = 287
SMALL = 205
CAPTION = 60


def draw_code(page: Page, address: str, caption: str, x: float, y: float) -> None:
    """The large code at (x, y), what it is for below."""
    page.code(x, y, LARGE, address)
    page.write(
        caption, x, y + LARGE + 4, LARGE, CAPTION, size=26, smallest=20, colour=TEXT, align=Align.CENTRE
    )


def draw_beside(page: Page, address: str, caption: str, help_: str, x: float, y: float, w: float) -> None:
    """The small code at (x, y); beside it, up to `w` from `x`, what it is for and whom to call."""
    page.code(x, y, SMALL, address)
    x, w = x + SMALL + 14, w - SMALL - 14
    page.write(caption, x, y, w, 132, size=26, smallest=18, face=Face.BOLD)
    page.write(help_, x, y + 136, w, SMALL - 136, size=22, smallest=14, colour=MUTED)
