"""The short statements around a meeting: starting up, reconnecting, good-bye."""

from __future__ import annotations

from datetime import datetime

from ..elements import Sign
from ..page import WIDTH, Page
from ..show import Show
from ..theme import CARE, GOOD, MUTED, TEXT, Colour, Face
from ..words import Words
from .edges import AREA_TOP, MARGIN, draw_call

_WIDTH = WIDTH - 2 * MARGIN
_STATEMENT_X = MARGIN + 116


def draw_starting(page: Page, words: Words) -> None:
    """Before the unit has said anything."""
    page.write(words("starting.statement"), MARGIN, 250, _WIDTH, 130, size=80, face=Face.BOLD)
    page.write(words("starting.next"), MARGIN, 366, _WIDTH, 60, size=36, colour=MUTED)


def draw_reconnecting(page: Page, words: Words, show: Show, now: datetime) -> None:
    """The meeting was lost: what happens by itself, and whom to call if it does not."""
    _statement(page, Sign.RECONNECT, CARE, words("reconnecting.statement"), AREA_TOP + 88)
    page.instruct(words("reconnecting.next"), MARGIN, AREA_TOP + 216, _WIDTH, 124)
    draw_call(page, words, show, AREA_TOP + 392, label=words("reconnecting.call"))


def draw_goodbye(page: Page, words: Words, show: Show, now: datetime) -> None:
    """The meeting is over; said only when it is so: nobody is seen or heard any more."""
    _statement(page, Sign.READY, GOOD, words("goodbye.statement"), AREA_TOP + 130)
    y = page.write(words("goodbye.thanks"), _STATEMENT_X, AREA_TOP + 262, _WIDTH - 116, 90, size=60)
    if show.meeting is None or not (show.meeting.camera or show.meeting.mic_open):
        page.write(words("goodbye.off"), _STATEMENT_X, y + 24, _WIDTH - 116, 56, size=34, colour=MUTED)


def _statement(page: Page, sign: Sign, colour: Colour, text: str, y: float) -> None:
    page.sign(MARGIN, y + 18, 88, sign, colour)
    page.write(
        text,
        _STATEMENT_X,
        y,
        _WIDTH - 116,
        124,
        size=84,
        smallest=48,
        face=Face.BOLD,
        colour=TEXT,
        middle=True,
    )
