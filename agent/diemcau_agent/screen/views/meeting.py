"""In the meeting the pictures have the screen: the first large, the second beside it, or one alone."""

from __future__ import annotations

from collections.abc import Sequence

from ..elements import Sign
from ..page import WIDTH, Align, Page
from ..show import Meeting, Show, Slot
from ..theme import ACCENT, BLACK, CARE, GOOD, LINE, MUTED, PANEL, TEXT, Colour, Face
from ..words import Words
from .edges import AREA_BOTTOM, AREA_TOP, EDGE, invited
from .phone import LARGE, SMALL, draw_beside, draw_code

_NAME = 44
_GAP = 24
_ALONE = (912, 513)
_LARGE = (864, 486)
_SMALL = (344, 194)


def draw(page: Page, words: Words, show: Show, meeting: Meeting, live: Sequence[bool]) -> None:
    """Pictures with their names; in the column beside them what meeting this is, and whom to call."""
    filled = [(index, slot) for index, slot in enumerate(meeting.slots) if slot is not None]
    room = AREA_BOTTOM - AREA_TOP
    width, height = _LARGE if len(filled) > 1 else _ALONE
    top = AREA_TOP + (room - height - _NAME) / 2
    column_x = EDGE + width + _GAP
    column_w = WIDTH - EDGE - column_x
    column_y = top
    if not filled:
        _card(page, EDGE, top, width, height + _NAME, words("meeting.waiting"))
    for place, (index, slot) in enumerate(filled[:2]):
        x, size = (EDGE, (width, height)) if place == 0 else (column_x, _SMALL)
        _picture(page, words, meeting, slot, index, (x, top, *size), live=index < len(live) and live[index])
        if place == 1:
            column_y = top + _SMALL[1] + _NAME + 20
    if show.phone and len(filled) > 1:
        _about_short(page, words, show, meeting, column_x, column_y - 8, column_w)
    else:
        _about(page, words, show, meeting, column_x, column_y, column_w, top + height + _NAME)


def _picture(
    page: Page,
    words: Words,
    meeting: Meeting,
    slot: Slot,
    index: int,
    place: tuple[float, float, float, float],
    *,
    live: bool,
) -> None:
    x, y, w, h = place
    speaking = meeting.speaker == slot.site
    if live:
        page.box(x, y, w, h, BLACK)
        page.hole(x, y, w, h, index)
    else:
        following = words("meeting.no_picture_next") if w > 500 else ""
        _card(page, x, y, w, h, words("meeting.no_picture"), following)
    page.box(x, y + h, w, _NAME, GOOD if speaking else PANEL)
    colour = BLACK if speaking else TEXT
    used = 16.0
    if speaking:
        page.sign(x + 14, y + h + 7, 30, Sign.SPEAKING, colour)
        used = 56
    label = words("meeting.speaking") if speaking and w > 500 else ""
    label_width = page.width_of(label, Face.BOLD, 26) + 4 if label else 0
    room = w - used - 16 - (label_width + 20 if label else 0)
    page.write(
        slot.name,
        x + used,
        y + h,
        room,
        _NAME,
        size=28,
        smallest=20,
        face=Face.BOLD,
        colour=colour,
        middle=True,
    )
    if label:
        page.write(
            label,
            x + w - 16 - label_width,
            y + h,
            label_width,
            _NAME,
            size=26,
            face=Face.BOLD,
            colour=colour,
            align=Align.RIGHT,
            middle=True,
        )


def _card(page: Page, x: float, y: float, w: float, h: float, text: str, following: str = "") -> None:
    """In the place of a picture: that there is none, and what comes next."""
    page.box(x, y, w, h, PANEL)
    large = w > 500
    sign = 96 if large else 48
    size = 36 if large else 24
    block = sign + 16 + size * 1.4 + (44 if following else 0)
    at = y + (h - block) / 2
    page.sign(x + (w - sign) / 2, at, sign, Sign.CAMERA_OFF, MUTED)
    at += sign + 16
    at = page.write(
        text, x + 16, at, w - 32, size * 1.4, size=size, smallest=18, colour=TEXT, align=Align.CENTRE
    )
    if following:
        page.write(following, x + 16, at, w - 32, 44, size=28, smallest=18, colour=MUTED, align=Align.CENTRE)


def _about(
    page: Page, words: Words, show: Show, meeting: Meeting, x: float, y: float, w: float, bottom: float
) -> None:
    """The column: title and time from above, whom to call from below, between them the phone page's code: who
    speaks need not ask for the floor, and needs the room to be told so."""
    call, speaks = 128, invited(show)
    code = LARGE + 46 if show.phone and not speaks else 0
    if speaks:
        said, colour = _to_speaker(words, show)
        y = page.write(said, x, y, w, 84, size=30, smallest=24, face=Face.BOLD, colour=colour)
        y += 12
    between = words.between(meeting.starts_at, meeting.ends_at)
    y = page.write(between, x, y, w, 42, size=28, smallest=20, colour=ACCENT, face=Face.BOLD)
    room = bottom - call - code - (4 if code else 12) - y
    page.write(meeting.title, x, y, w, room, size=30, smallest=18 if code else 22, face=Face.BOLD)
    y = bottom - call
    if code:
        draw_code(page, show.phone, words("phone.floor"), x + (w - LARGE) / 2, y - code)
    page.box(x, y, w, 2, LINE)
    y = page.write(words("call.whom"), x, y + 12, w, 34, size=24, smallest=18, colour=MUTED)
    name = show.coordinator.name or words("call.nobody")
    y = page.write(name, x, y, w, 38, size=26, smallest=18)
    page.write(show.coordinator.phone, x, y, w, 46, size=32, smallest=20, face=Face.BOLD)


def _about_short(
    page: Page, words: Words, show: Show, meeting: Meeting, x: float, y: float, w: float
) -> None:
    """The column under a second picture: the title, and the phone page's code with what it is for."""
    bottom = AREA_BOTTOM - 8
    room = bottom - SMALL - 8 - y
    if invited(show):
        said, colour = _to_speaker(words, show)
    else:
        said, colour = meeting.title, TEXT
    page.write(said, x, y, w, room, size=28, smallest=18, face=Face.BOLD, colour=colour)
    whom = words("phone.help", phone=show.coordinator.phone) if show.coordinator.phone else ""
    draw_beside(page, show.phone, words("phone.floor"), whom, x, bottom - SMALL, w)


def _to_speaker(words: Words, show: Show) -> tuple[str, Colour]:
    """What a hall that has the floor is told: that it speaks, or that it may."""
    if show.privacy.muted or show.privacy.stopped:
        return words("meeting.self_muted"), CARE
    return words("meeting.self_speaking"), GOOD
