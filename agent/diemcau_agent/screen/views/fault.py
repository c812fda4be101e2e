"""Something keeps this hall from being ready: the one thing to do, drawn and said, and whom to call."""

from __future__ import annotations

from datetime import datetime

from ..elements import Sign
from ..page import WIDTH, Align, Page
from ..show import Contact, Show, View
from ..theme import ACCENT, BAD, LINE, MUTED, PANEL, TEXT, Face
from ..words import Words
from .edges import AREA_TOP, MARGIN
from .phone import SMALL

_DRAWN: dict[str, Sign] = {
    "camera_missing": Sign.DO_PLUG_CAMERA,
    "camera_frozen": Sign.DO_PLUG_CAMERA,
    "camera_unreachable": Sign.DO_PLUG_NETWORK,
    "camera_black": Sign.DO_LENS,
    "microphone_missing": Sign.DO_PLUG_MICROPHONE,
    "microphone_substituted": Sign.DO_PLUG_MICROPHONE,
    "microphone_silent": Sign.DO_MICROPHONE,
    "microphone_muted": Sign.DO_MICROPHONE,
    "microphone_quiet": Sign.DO_MICROPHONE,
    "sound_missing": Sign.DO_SPEAKER,
    "sound_muted": Sign.DO_SPEAKER,
    "sound_not_heard": Sign.DO_SPEAKER,
    "sound_echo": Sign.DO_SPEAKER,
    "television_off": Sign.DO_REMOTE,
    "television_silent": Sign.DO_REMOTE,
    "television_input": Sign.DO_INPUT,
    "screen_missing": Sign.DO_PLUG_SCREEN,
    "edid_missing": Sign.DO_PLUG_SCREEN,
    "line_down": Sign.DO_PLUG_NETWORK,
    "line_slow": Sign.DO_PLUG_NETWORK,
    "link_lost": Sign.DO_PLUG_NETWORK,
    "hot": Sign.DO_COOL,
    "undervoltage": Sign.DO_POWER,
}
_WIDTH = WIDTH - 2 * MARGIN
_PICTURE = 252
_CAPTION = 150
_MIDDLE = AREA_TOP + 92
_CALL = _MIDDLE + _PICTURE + 16


def drawing(instruction: str) -> Sign:
    """The picture for an instruction; the telephone where only calling helps."""
    return _DRAWN.get(instruction, Sign.DO_CALL)


def draw(page: Page, words: Words, show: Show, now: datetime) -> None:
    """From above: not ready, and until when; what to do, with its picture; whom to call, huge."""
    _draw_head(page, words, show, now)
    page.box(MARGIN, _MIDDLE, _PICTURE, _PICTURE, PANEL, radius=20)
    inside = _PICTURE - 48
    page.sign(MARGIN + 24, _MIDDLE + 24, inside, drawing(show.instruction), TEXT)
    x = MARGIN + _PICTURE + 36
    page.instruct(
        words.instruction(show.instruction),
        x,
        _MIDDLE,
        MARGIN + _WIDTH - x,
        _PICTURE,
        size=68,
        middle=True,
    )
    _draw_call(page, words, show)


def _draw_head(page: Page, words: Words, show: Show, now: datetime) -> None:
    y, h = AREA_TOP + 16, 64
    page.sign(MARGIN, y + 7, 50, Sign.NOT_READY, BAD)
    word = words("readiness.not_ready")
    width = page.width_of(word, Face.BOLD, 44) + 4
    page.write(word, MARGIN + 68, y, width, h, size=44, face=Face.BOLD, colour=BAD, middle=True)
    x = MARGIN + 68 + width + 40
    page.write(
        _until(words, show, now),
        x,
        y,
        MARGIN + _WIDTH - x,
        h,
        size=38,
        smallest=26,
        face=Face.BOLD,
        colour=ACCENT,
        align=Align.RIGHT,
        middle=True,
    )


def _until(words: Words, show: Show, now: datetime) -> str:
    """When the meeting is for which the hall should be ready; "" when there is none."""
    coming = show.meeting or show.next
    if coming is None:
        return ""
    if show.view is View.COUNTDOWN:
        lead, large = words.countdown((coming.starts_at - now).total_seconds())
        return f"{lead} {large}"
    return words("fault.next", when=words.when(coming.starts_at, now))


def _draw_call(page: Page, words: Words, show: Show) -> None:
    whom = show.whom if show.whom is not None and show.whom.phone else show.coordinator
    width = _WIDTH
    if show.phone:
        width -= SMALL + _CAPTION + 36
        page.code(MARGIN + _WIDTH - SMALL, _CALL + 6, SMALL, show.phone)
        page.write(
            words("phone.check"),
            MARGIN + width + 20,
            _CALL + 6,
            _CAPTION,
            SMALL,
            size=30,
            smallest=24,
            face=Face.BOLD,
            align=Align.RIGHT,
            middle=True,
        )
    page.box(MARGIN, _CALL, width, 2, LINE)
    page.write(words("call.whom"), MARGIN, _CALL + 12, width, 44, size=30, colour=MUTED)
    _draw_contact(page, words, whom, width)


def _draw_contact(page: Page, words: Words, whom: Contact, width: float) -> None:
    name = whom.name or words("call.nobody")
    page.sign(MARGIN, _CALL + 70, 64, Sign.PHONE, ACCENT)
    x, room = MARGIN + 88, width - 88
    if not whom.phone:
        page.write(name, x, _CALL + 52, room, 120, size=64, smallest=42, face=Face.BOLD, middle=True)
        return
    y = page.write(whom.phone, x, _CALL + 44, room, 116, size=84, smallest=48, face=Face.BOLD)
    page.write(name, x, y - 6, room, 56, size=36, smallest=22, colour=TEXT)
