"""A meeting is near: how long until it starts, as large as it goes."""

from __future__ import annotations

from datetime import datetime

from ..page import WIDTH, Page
from ..show import Show
from ..theme import ACCENT, MUTED, TEXT, Face
from ..words import Words
from .edges import AREA_BOTTOM, AREA_TOP, MARGIN

_WIDTH = WIDTH - 2 * MARGIN


def draw(page: Page, words: Words, show: Show, now: datetime) -> None:
    """Lead, remaining time, title, where it is led from."""
    coming = show.meeting or show.next
    remaining_s = (coming.starts_at - now).total_seconds() if coming else 0.0
    lead, large = words.countdown(remaining_s)
    page.write(lead, MARGIN, AREA_TOP + 36, _WIDTH, 76, size=52, smallest=36, face=Face.BOLD, colour=ACCENT)
    y = page.write(
        large, MARGIN, AREA_TOP + 96, _WIDTH, 270, size=190, smallest=90, face=Face.BOLD, colour=TEXT
    )
    if coming is None:
        return
    host = show.next.main_site_name if show.next else ""
    hosted = 46 if host else 0
    y = page.write(
        coming.title,
        MARGIN,
        y,
        _WIDTH,
        AREA_BOTTOM - 24 - hosted - y,
        size=46,
        smallest=28,
        face=Face.BOLD,
    )
    if hosted:
        page.write(
            words("idle.main_site", name=host), MARGIN, y + 4, _WIDTH, 46, size=32, smallest=24, colour=MUTED
        )
