"""A box on its way to be a unit: how far it is, and the one thing somebody shall do now.

For a technician beside it, and for somebody at the hall on the telephone: the digits are large enough to be
read out from the last row, the code large enough for a phone at two metres.
"""

from __future__ import annotations

from datetime import datetime

from diemcau_wire.enrolment import in_threes

from ...rules.enrolling import At, Step
from ..elements import Sign
from ..page import WIDTH, Page
from ..show import Enrolling, Show
from ..theme import ACCENT, BAD, CARE, GOOD, LINE, MUTED, PANEL, TEXT, Colour, Face
from ..words import Words
from .edges import AREA_BOTTOM, AREA_TOP, MARGIN, camera_live

_LEFT = 344
_ROW, _GAP = 68, 10
_X = MARGIN + _LEFT + 76
_WIDTH = WIDTH - MARGIN - _X
_QR = 248
_SIGNS: dict[At, tuple[Sign | None, Colour]] = {
    At.AHEAD: (None, MUTED),
    At.DOING: (Sign.RECONNECT, ACCENT),
    At.DONE: (Sign.READY, GOOD),
    At.FAILED: (Sign.NOT_READY, BAD),
}
_DRAWN: dict[str, Sign] = {
    "no_line": Sign.DO_PLUG_NETWORK,
    "unreachable": Sign.DO_PLUG_NETWORK,
    "not_found": Sign.DO_PLUG_NETWORK,
    "disk": Sign.DO_CALL,
    "internal": Sign.DO_POWER,
}

_BY_HAND = frozenset({"boot_file_broken", "boot_file_unreadable", "two_boot_files", "internal"})


def draw(page: Page, words: Words, show: Show, now: datetime) -> None:
    """The steps on the left; on the right the code, or what is being done, or what fails and what to do."""
    way = show.enrolling
    if way is None:
        return
    _draw_steps(page, words, way)
    page.box(MARGIN + _LEFT + 36, AREA_TOP + 30, 2, AREA_BOTTOM - AREA_TOP - 60, LINE)
    if camera_live(show) and not _checks(way):
        _draw_statement(page, words("enrolling.show_code"), words("enrolling.show_code_more"), ACCENT)
    elif way.code and not way.why:
        _draw_code(page, words, way)
    elif way.why:
        _draw_failure(page, words, way)
    else:
        _draw_doing(page, words, show, way)


def failure(words: Words, way: Enrolling) -> str:
    """The sentence for what fails; for a word this screen does not know yet, whom to call."""
    key = f"enrolling_why.{way.why}"
    if key not in words.texts:
        key = "enrolling_why.other"
    return words(key, where=way.where.removeprefix("https://"), line=way.line)


def _draw_steps(page: Page, words: Words, way: Enrolling) -> None:
    y = AREA_TOP + (AREA_BOTTOM - AREA_TOP - len(way.steps) * (_ROW + _GAP) + _GAP) / 2
    for step, at in way.steps:
        sign, colour = _SIGNS[at]
        current = at in (At.DOING, At.FAILED)
        if current:
            page.box(MARGIN - 12, y, _LEFT + 24, _ROW, PANEL, radius=12)
            page.box(MARGIN - 12, y + 10, 6, _ROW - 20, colour, radius=3)
        if sign is None:
            page.box(MARGIN + 18, y + (_ROW - 12) / 2, 12, 12, LINE, radius=6)
        else:
            page.sign(MARGIN + 6, y + (_ROW - 36) / 2, 36, sign, colour)
        x, room = MARGIN + 62, _LEFT - 62
        face = Face.BOLD if current else Face.REGULAR
        label = words(f"enrolling.{step.value}")
        page.write(label, x, y + 4, room, 40, size=28, smallest=22, face=face, colour=_label(at))
        state = "waiting" if way.code and current and at is At.DOING else at.value
        page.write(words(f"enrolling.{state}"), x, y + 39, room, 28, size=20, colour=colour)
        y += _ROW + _GAP


def _label(at: At) -> Colour:
    return MUTED if at is At.AHEAD else TEXT


def _draw_code(page: Page, words: Words, way: Enrolling) -> None:
    top = AREA_TOP + 22
    page.write(words("enrolling.code"), _X, top, _WIDTH, 50, size=34, face=Face.BOLD, colour=ACCENT)
    digits = in_threes(way.code)
    page.write(digits, _X, top + 36, _WIDTH, 170, size=120, smallest=72, face=Face.BOLD)
    y = top + 218
    width = _WIDTH
    if way.qr:
        page.code(_X, y, _QR, way.qr)
        width -= _QR + 32
    x = _X + _WIDTH - width
    page.instruct(words("enrolling.code_how"), x, y - 6, width, 262, middle=True)
    below = y + _QR + 10
    if way.remark:
        key = f"enrolling_why.{way.remark}"
        text = words(key if key in words.texts else "enrolling_why.other", where=way.where, line="")
        page.sign(_X, below + 12, 36, Sign.REMARK, CARE)
        page.write(text, _X + 52, below, _WIDTH - 52, 64, size=26, smallest=20, colour=CARE, middle=True)
    elif way.until is not None:
        text = words("enrolling.until", time=words.time(way.until))
        page.write(text, _X, below, _WIDTH, 64, size=26, smallest=20, colour=MUTED, middle=True)


def _draw_failure(page: Page, words: Words, way: Enrolling) -> None:
    side = 132
    y = AREA_TOP + 28
    page.box(_X, y, side, side, PANEL, radius=20)
    page.sign(_X + 16, y + 16, side - 32, _DRAWN.get(way.why, Sign.DO_CALL), TEXT)
    x, room = _X + side + 32, _WIDTH - side - 32
    page.sign(x, y + 14, 48, Sign.NOT_READY, BAD)
    heading = words(f"enrolling.{_failed(way).value}")
    page.write(heading, x + 64, y + 4, room - 64, 68, size=44, smallest=30, face=Face.BOLD)
    page.write(words("enrolling.failed"), x, y + 76, room, 56, size=34, colour=BAD)
    top, bottom = y + side + 18, AREA_BOTTOM - 72
    page.instruct(failure(words, way), _X, top, _WIDTH, bottom - top, size=52)
    if way.why not in _BY_HAND:
        page.write(words("enrolling.again"), _X, bottom, _WIDTH, 56, size=28, smallest=22, colour=MUTED)


def _draw_doing(page: Page, words: Words, show: Show, way: Enrolling) -> None:
    step = next((step for step, at in way.steps if at is At.DOING), Step.READY)
    detail = words("enrolling.wait")
    if step is Step.CHECK and f"checking.{show.checking}" in words.texts:
        detail = words(f"checking.{show.checking}")
    if step is Step.READY:
        detail = words("enrolling.ready_more")
    statement = words(f"enrolling.doing_{step.value}")
    _draw_statement(page, statement, detail, GOOD if step is Step.READY else ACCENT, name=way.site_name)


def _draw_statement(page: Page, statement: str, detail: str, colour: Colour, *, name: str = "") -> None:
    y: float = AREA_TOP + 96
    if name:
        y = (
            page.write(name, _X, y - 40, _WIDTH, 130, size=52, smallest=34, face=Face.BOLD, colour=colour)
            + 16
        )
    else:
        page.box(_X, y - 30, 96, 8, colour, radius=4)
    y = page.instruct(statement, _X, y, _WIDTH, 250, size=60)
    page.write(detail, _X, y + 20, _WIDTH, 130, size=34, smallest=26, colour=MUTED)


def _failed(way: Enrolling) -> Step:
    return next((step for step, at in way.steps if at is At.FAILED), Step.ADDRESS)


def _checks(way: Enrolling) -> bool:
    return (Step.CHECK, At.DOING) in way.steps
