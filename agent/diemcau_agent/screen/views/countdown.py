"""A meeting is near: how long until it starts, as large as it goes. An urgent one says so above all."""

from __future__ import annotations

from datetime import datetime

from ...rules.verdict import Verdict
from ..elements import Sign
from ..page import WIDTH, Page
from ..show import Show, Urgent
from ..theme import ACCENT, LIVE, MUTED, TEXT, WHITE, Face
from ..words import Words
from .checking import draw_strip
from .edges import AREA_BOTTOM, AREA_TOP, MARGIN
from .idle import draw_readiness
from .phone import LARGE, draw_code

_BANNER = 92


def draw(page: Page, words: Words, show: Show, now: datetime) -> None:
    """Lead, remaining time, title, where it is led from; the code of the phone page on the right."""
    if show.urgent is not None:
        _draw_urgent(page, words, show, show.urgent, now)
        return
    coming = show.meeting or show.next
    remaining_s = (coming.starts_at - now).total_seconds() if coming else 0.0
    lead, large = words.countdown(remaining_s)
    width = _width(show)
    below = _below(page, words, show)
    size = 190 if below == AREA_BOTTOM else 150
    page.write(lead, MARGIN, AREA_TOP + 28, width, 76, size=52, smallest=36, face=Face.BOLD, colour=ACCENT)
    y = page.write(
        large, MARGIN, AREA_TOP + 86, width, 270, size=size, smallest=90, face=Face.BOLD, colour=TEXT
    )
    if show.phone:
        top = AREA_TOP + (56 if below == AREA_BOTTOM else 14)
        draw_code(page, show.phone, words("phone.floor"), WIDTH - MARGIN - LARGE, top)
    if coming is not None:
        host = show.next.main_site_name if show.next and below == AREA_BOTTOM else ""
        _draw_about(page, words, coming.title, host, y, width, below)


def _below(page: Page, words: Words, show: Show) -> float:
    """What the hall is told of its room, at the lower edge of the view; gives where that begins."""
    if show.verdict is Verdict.CHECKING:
        return draw_strip(page, words, show)
    if show.verdict is Verdict.REMARK and show.instruction:
        draw_readiness(page, words, show, AREA_BOTTOM - 200, 182)
        return AREA_BOTTOM - 200
    return AREA_BOTTOM


def _draw_urgent(page: Page, words: Words, show: Show, urgent: Urgent, now: datetime) -> None:
    page.box(0, AREA_TOP, WIDTH, _BANNER, LIVE)
    page.sign(MARGIN, AREA_TOP + 16, 60, Sign.REMARK, WHITE)
    page.write(
        words("urgent.banner"),
        MARGIN + 84,
        AREA_TOP,
        WIDTH - 2 * MARGIN - 84,
        _BANNER,
        size=60,
        face=Face.BOLD,
        colour=WHITE,
        middle=True,
    )
    top = AREA_TOP + _BANNER
    width = _width(show)
    lead, large = words.urgent((urgent.joins_at - now).total_seconds())
    page.write(lead, MARGIN, top + 14, width, 56, size=38, smallest=28, face=Face.BOLD, colour=ACCENT)
    y = page.write(large, MARGIN, top + 56, width, 236, size=168, smallest=90, face=Face.BOLD, colour=TEXT)
    if show.phone:
        draw_code(page, show.phone, words("phone.decline"), WIDTH - MARGIN - LARGE, top + 24)
    _draw_about(page, words, urgent.title, urgent.main_site_name, y, width, AREA_BOTTOM)


def _draw_about(
    page: Page, words: Words, title: str, host: str, y: float, width: float, bottom: float
) -> None:
    hosted = 46 if host else 0
    room = bottom - (24 if bottom == AREA_BOTTOM else 8) - hosted - y
    y = page.write(title, MARGIN, y, width, room, size=46, smallest=28, face=Face.BOLD)
    if hosted:
        line = words("idle.main_site", name=host)
        page.write(line, MARGIN, y + 4, width, 46, size=32, smallest=24, colour=MUTED)


def _width(show: Show) -> float:
    """What the code leaves for words."""
    return WIDTH - 2 * MARGIN - (LARGE + 40 if show.phone else 0)
