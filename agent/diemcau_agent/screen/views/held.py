"""Another meeting has the hall, on another system or in person: said quietly, with nothing switched on."""

from __future__ import annotations

from datetime import datetime

from ..page import WIDTH, Page
from ..show import Show
from ..theme import MUTED, Face
from ..words import Words
from .edges import AREA_BOTTOM, AREA_TOP, MARGIN

_WIDTH = WIDTH - 2 * MARGIN


def draw(page: Page, words: Words, show: Show, now: datetime) -> None:
    """What kind of meeting, which, from when to when, and that camera and microphone are off."""
    held = show.held
    if held is None:
        return
    statement = words(f"held.{held.mode.value}")
    page.write(statement, MARGIN, AREA_TOP + 72, _WIDTH, 110, size=72, smallest=44, face=Face.BOLD)
    between = words.between(held.starts_at, held.ends_at)
    y = page.write(between, MARGIN, AREA_TOP + 190, _WIDTH, 60, size=40, colour=MUTED)
    page.write(held.title, MARGIN, y + 8, _WIDTH, AREA_BOTTOM - 110 - y, size=44, smallest=28)
    if show.meeting is None or not (show.meeting.camera or show.meeting.mic_open):
        page.write(words("held.off"), MARGIN, AREA_BOTTOM - 84, _WIDTH, 50, size=32, colour=MUTED)
