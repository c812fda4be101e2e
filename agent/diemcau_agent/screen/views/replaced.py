"""A unit that is none any more: another one has its place, or it was revoked. It says so, and what to do."""

from __future__ import annotations

from datetime import datetime

from ..elements import Sign
from ..page import WIDTH, Page
from ..show import Show
from ..theme import CARE, MUTED, PANEL, TEXT, Face
from ..words import Words
from .edges import AREA_BOTTOM, AREA_TOP, MARGIN

_WIDTH = WIDTH - 2 * MARGIN
_SIDE = 236


def draw(page: Page, words: Words, show: Show, now: datetime) -> None:
    """What has become of it, whose it was, what to do with it; that nothing of the hall is left in it."""
    said = show.replaced
    if said is None:
        return
    kind = "revoked" if said.revoked else "replaced"
    y: float = AREA_TOP + 44
    page.sign(MARGIN, y + 14, 88, Sign.REMARK, CARE)
    x = MARGIN + 116
    page.write(
        words(f"replaced.{kind}"), x, y, _WIDTH - 116, 116, size=72, smallest=44, face=Face.BOLD, middle=True
    )
    if said.site_name:
        where = words(f"replaced.{kind}_at", name=said.site_name)
        page.write(where, x, y + 108, _WIDTH - 116, 60, size=36, smallest=26, colour=MUTED)
    y += 188
    page.box(MARGIN, y, _SIDE, _SIDE, PANEL, radius=20)
    page.sign(MARGIN + 28, y + 28, _SIDE - 56, Sign.DO_POWER, TEXT)
    x = MARGIN + _SIDE + 36
    page.instruct(words(f"replaced.{kind}_do"), x, y, MARGIN + _WIDTH - x, _SIDE, size=56, middle=True)
    wiped = words("replaced.wiped")
    page.write(wiped, MARGIN, AREA_BOTTOM - 82, _WIDTH, 60, size=30, smallest=22, colour=MUTED)
