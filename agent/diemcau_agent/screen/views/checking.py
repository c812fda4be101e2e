"""A check runs, or is about to open camera and microphone: said before, and how to put it off."""

from __future__ import annotations

import math
from datetime import datetime

from ...rules.verdict import Verdict
from ..elements import Sign
from ..page import WIDTH, Align, Page
from ..show import Reason, Show, View
from ..theme import ACCENT, BLACK, CARE, LINE, MUTED, PANEL, TEXT, Face
from ..words import Words
from .edges import AREA_BOTTOM, AREA_TOP, MARGIN
from .phone import LARGE, SMALL

_STEPS: dict[str, Sign] = {
    "camera": Sign.CAMERA,
    "microphone": Sign.MIC_OPEN,
    "sound": Sign.SPEAKING,
    "television": Sign.TELEVISION,
    "line": Sign.LINK,
}
_LIKE = {"screen": "television", "room": "line"}  # steps that are shown as part of another
_WIDTH = WIDTH - 2 * MARGIN
_BANNER = 92
_NOTICE_S = 30  # what is further ahead is not yet announced


def notice_s(show: Show, now: datetime) -> int | None:
    """Whole seconds until camera and microphone open for something other than a meeting, rounded up; None
    while nothing is announced."""
    opens_at = show.privacy.opens_at
    if not show.waiting or opens_at is None:
        return None
    left_s = math.ceil((opens_at - now).total_seconds())
    return left_s if 0 < left_s <= _NOTICE_S else None


def draw_notice(page: Page, words: Words, show: Show, seconds: int) -> None:
    """What opens, why, and when, as large as a countdown; how to say no."""
    page.box(0, AREA_TOP, WIDTH, _BANNER, CARE)
    reason = show.privacy.reason
    signs = [Sign.CAMERA, Sign.MIC_OPEN] if reason is Reason.CHECK else [Sign.CAMERA]
    x = float(MARGIN)
    for sign in signs:
        page.sign(x, AREA_TOP + 18, 56, sign, BLACK)
        x += 72
    page.write(
        words(f"notice.{reason.value}"),
        x + 8,
        AREA_TOP,
        MARGIN + _WIDTH - x - 8,
        _BANNER,
        size=52,
        smallest=34,
        face=Face.BOLD,
        colour=BLACK,
        middle=True,
    )
    width = _code(page, show, AREA_TOP + _BANNER + 24)
    lead = "notice.lead" if reason is Reason.CHECK else "notice.lead_picture"
    lead_y = AREA_TOP + _BANNER + 20
    page.write(words(lead), MARGIN, lead_y, width, 60, size=42, face=Face.BOLD, colour=ACCENT)
    large = words(f"countdown.second{'' if seconds == 1 else 's'}", n=seconds)
    page.write(large, MARGIN, lead_y + 48, width, 236, size=168, smallest=90, face=Face.BOLD)
    how = words("notice.code_how") if reason is Reason.CODE else _how(words, show)
    page.instruct(how, MARGIN, AREA_BOTTOM - 140, width, 124, middle=True)


def is_shown(show: Show) -> bool:
    """True when the check has the screen: nothing else is near."""
    return show.view is View.IDLE and show.verdict is Verdict.CHECKING


def draw(page: Page, words: Words, show: Show, now: datetime) -> None:
    """What is being checked now, among what is checked; how to put it off; nothing to do otherwise."""
    width = _code(page, show, AREA_TOP + 30, SMALL) if show.postpone_until else _WIDTH
    statement = words("readiness.checking")
    y = page.write(statement, MARGIN, AREA_TOP + 30, width, 114, size=80, smallest=54, face=Face.BOLD)
    doing = words(f"checking.{show.checking}") if f"checking.{show.checking}" in words.texts else ""
    page.write(doing, MARGIN, y + 2, width, 64, size=44, smallest=32, colour=ACCENT, face=Face.BOLD)
    _draw_steps(page, words, show, AREA_TOP + 258)
    if show.postpone_until is None:
        page.instruct(words("checking.wait"), MARGIN, AREA_BOTTOM - 158, _WIDTH, 124, middle=True)
        return
    y = AREA_BOTTOM - 152
    page.box(MARGIN, y - 14, _WIDTH, 2, LINE)
    y = page.instruct(_how(words, show), MARGIN, y, _WIDTH, 64)
    until = words("checking.until", time=words.time(show.postpone_until))
    page.write(until, MARGIN, y + 6, _WIDTH, 46, size=30, smallest=24, colour=MUTED)


def draw_strip(page: Page, words: Words, show: Show) -> float:
    """In the countdown, one line: that a check runs, and of what. Gives where it begins."""
    doing = words(f"checking.{show.checking}") if f"checking.{show.checking}" in words.texts else ""
    text = doing or words("readiness.checking")
    y, h = AREA_BOTTOM - 84, 64
    page.box(MARGIN, y, _WIDTH, h, PANEL, radius=16)
    page.sign(
        MARGIN + 20, y + 12, 40, _STEPS.get(_LIKE.get(show.checking, show.checking), Sign.UNKNOWN), ACCENT
    )
    page.write(text, MARGIN + 80, y, _WIDTH - 100, h, size=36, smallest=28, face=Face.BOLD, middle=True)
    return y


def _draw_steps(page: Page, words: Words, show: Show, y: float) -> None:
    """The devices in a row; the one that is looked at now stands out by colour, frame and word."""
    now = _LIKE.get(show.checking, show.checking)
    gap = 16
    w, h = (_WIDTH - gap * (len(_STEPS) - 1)) / len(_STEPS), 132
    for place, (step, sign) in enumerate(_STEPS.items()):
        x, current = MARGIN + place * (w + gap), step == now
        if current:
            page.box(x - 3, y - 3, w + 6, h + 6, ACCENT, radius=18)
        page.box(x, y, w, h, PANEL, radius=16)
        colour = ACCENT if current else MUTED
        page.sign(x + (w - 56) / 2, y + 16, 56, sign, colour)
        page.write(
            words(f"step.{step}"),
            x + 6,
            y + 80,
            w - 12,
            44,
            size=28,
            smallest=20,
            face=Face.BOLD if current else Face.REGULAR,
            colour=TEXT if current else MUTED,
            align=Align.CENTRE,
            middle=True,
        )


def _how(words: Words, show: Show) -> str:
    return words("checking.postpone_phone" if show.phone else "checking.postpone")


def _code(page: Page, show: Show, y: float, size: float = LARGE) -> float:
    """The phone page's code on the right, while there is one; gives the width that is left for words."""
    if not show.phone:
        return _WIDTH
    page.code(MARGIN + _WIDTH - size, y, size, show.phone)
    return _WIDTH - size - 40
