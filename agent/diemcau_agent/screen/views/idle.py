"""Nothing is on: the next meeting, whether this hall is ready for it, and what to do if it is not."""

from __future__ import annotations

from datetime import datetime

from diemcau_wire.messages import Mode

from ...rules.verdict import Verdict
from ..elements import Sign
from ..page import WIDTH, Page
from ..show import NextMeeting, Show
from ..theme import ACCENT, BAD, CARE, GOOD, MUTED, PANEL, Colour, Face
from ..words import Words
from .edges import AREA_BOTTOM, AREA_TOP, MARGIN
from .phone import LARGE, draw_code

_READINESS: dict[Verdict, tuple[Sign, Colour]] = {
    Verdict.READY: (Sign.READY, GOOD),
    Verdict.REMARK: (Sign.REMARK, CARE),
    Verdict.NOT_READY: (Sign.NOT_READY, BAD),
    Verdict.UNKNOWN: (Sign.UNKNOWN, MUTED),
    Verdict.CHECKING: (Sign.UNKNOWN, MUTED),
}
_WIDTH = WIDTH - 2 * MARGIN


def draw(page: Page, words: Words, show: Show, now: datetime) -> None:
    """Statement above, readiness card below; the code of the phone page on the right, once it is of use."""
    card = 182 if show.instruction else 104
    card_y = AREA_BOTTOM - 22 - card
    width = _WIDTH
    if show.phone:
        width -= LARGE + 40
        draw_code(page, show.phone, words("phone.floor"), WIDTH - MARGIN - LARGE, AREA_TOP + 14)
    _statement(page, words, show.next, now, AREA_TOP + 24, card_y - 20, width)
    draw_readiness(page, words, show, card_y, card)


def _statement(
    page: Page,
    words: Words,
    meeting: NextMeeting | None,
    now: datetime,
    top: float,
    bottom: float,
    width: float,
) -> None:
    if meeting is None:
        y = page.write(words("idle.none"), MARGIN, top + 60, width, 134, size=92, smallest=48, face=Face.BOLD)
        page.write(words("idle.none_next"), MARGIN, y + 8, width, 56, size=36, smallest=28, colour=MUTED)
        return
    page.write(words("idle.next"), MARGIN, top, width, 48, size=34, face=Face.BOLD, colour=ACCENT)
    when = words.when(meeting.starts_at, now)
    y = page.write(when, MARGIN, top + 44, width, 128, size=90, smallest=56, face=Face.BOLD)
    host = _host(words, meeting)
    hosted = 48 if host else 0
    y = page.write(
        meeting.title, MARGIN, y + 2, width, bottom - y - 2 - hosted, size=44, smallest=30, face=Face.BOLD
    )
    if hosted:
        page.write(host, MARGIN, y + 6, width, 46, size=32, smallest=24, colour=MUTED)


def _host(words: Words, meeting: NextMeeting) -> str:
    """Where it is led from; of a meeting that this unit takes no part in, where it is held."""
    if meeting.mode is not Mode.HERE:
        return words(f"held.next_{meeting.mode.value}")
    return words("idle.main_site", name=meeting.main_site_name) if meeting.main_site_name else ""


def draw_readiness(page: Page, words: Words, show: Show, y: float, h: float) -> None:
    """The card: sign, verdict, and the one thing to do; or until when the check was put off."""
    sign, colour = _READINESS[show.verdict]
    page.box(MARGIN, y, _WIDTH, h, PANEL, radius=16)
    page.box(MARGIN, y + 16, 8, h - 32, colour, radius=4)
    x = MARGIN + 132
    room = MARGIN + _WIDTH - 24 - x
    word = words(f"readiness.{show.verdict.value}")
    if not show.instruction:
        if show.postponed_to is not None:
            word = words("checking.postponed", time=words.time(show.postponed_to))
            sign, colour = Sign.UNKNOWN, MUTED
        page.sign(MARGIN + 36, y + (h - 68) / 2, 68, sign, colour)
        page.write(word, x, y, room, h, size=44, smallest=30, face=Face.BOLD, colour=colour, middle=True)
        return
    page.sign(MARGIN + 36, y + (h - 68) / 2, 68, sign, colour)
    page.write(word, x, y + 8, room, 46, size=32, smallest=26, face=Face.BOLD, colour=colour)
    page.instruct(words.instruction(show.instruction), x, y + 56, room, 119, middle=True)
