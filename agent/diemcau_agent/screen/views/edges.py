"""What every view has in the same place: site and clock above; below, what is live, or whom to call."""

from __future__ import annotations

from datetime import datetime

from ..elements import Sign
from ..page import HEIGHT, WIDTH, Align, Page
from ..show import Show, View
from ..theme import ACCENT, BAD, BLACK, CARE, GOOD, LINE, LIVE, MUTED, PANEL, TEXT, WHITE, Colour, Face
from ..words import Words

TOP = 64
BOTTOM = 72
MARGIN = 72
EDGE = 24
AREA_TOP = TOP
AREA_BOTTOM = HEIGHT - BOTTOM


def draw_top(page: Page, words: Words, show: Show | None, now: datetime) -> None:
    """Name of the site on the left; date and clock on the right."""
    page.box(0, 0, WIDTH, TOP, PANEL)
    clock_x = WIDTH - EDGE - 124
    page.write(words.time(now), clock_x, 0, 124, TOP, size=44, face=Face.BOLD, align=Align.RIGHT, middle=True)
    date = words.date(now)
    date_width = page.width_of(date, Face.REGULAR, 26) + 4
    date_x = clock_x - 20 - date_width
    page.write(date, date_x, 0, date_width, TOP, size=26, colour=MUTED, middle=True)
    if show is None or show.site is None:
        page.write("Điểm Cầu", EDGE, 0, 600, TOP, size=32, face=Face.BOLD, colour=ACCENT, middle=True)
        x = EDGE + page.width_of("Điểm Cầu", Face.BOLD, 32) + 24
        _draw_serial(page, words, show, x, date_x - 32 - x)
        return
    room = date_x - 32 - EDGE
    page.write(show.site.name, EDGE, 0, room, TOP, size=32, smallest=22, face=Face.BOLD, middle=True)
    used = page.width_of(show.site.name, Face.BOLD, 32) + 18
    area = show.site.area
    if area and used + page.width_of(area, Face.REGULAR, 26) <= room:
        page.write(area, EDGE + used, 1, room - used, TOP, size=26, colour=MUTED, middle=True)


def _draw_serial(page: Page, words: Words, show: Show | None, x: float, w: float) -> None:
    """In the place of the site, for a box that has none: the number people know it by."""
    said = None if show is None else show.enrolling or show.replaced
    if said is not None and said.serial:
        text = words("enrolling.serial", serial=said.serial)
        page.write(text, x, 0, w, TOP, size=28, smallest=20, colour=MUTED, middle=True)


def mic_live(show: Show) -> bool:
    """True while the microphone is open, as its opening itself tells, or the meeting hears it."""
    return show.privacy.microphone or (show.meeting is not None and show.meeting.mic_open)


def camera_live(show: Show) -> bool:
    """True while the camera is open, as its opening itself tells."""
    return show.privacy.camera or (show.meeting is not None and show.meeting.camera)


def invited(show: Show) -> bool:
    """True while this hall has the floor."""
    meeting = show.meeting
    return meeting is not None and show.site is not None and meeting.speaker == show.site.id


def has_band(show: Show) -> bool:
    """True when the place below tells what is live, or shut by the hall, instead of whom to call."""
    privacy = show.privacy
    in_it = show.meeting is not None and show.view in (View.MEETING, View.RECONNECTING)
    return in_it or mic_live(show) or camera_live(show) or privacy.muted or privacy.stopped


def draw_bottom(page: Page, words: Words, show: Show) -> None:
    """The band about microphone and camera while there is something to tell; otherwise whom to call."""
    if has_band(show):
        _draw_band(page, words, show)
    else:
        _draw_footer(page, words, show)


_CAMERA_X = 884
_HAND_X = 466


def _draw_band(page: Page, words: Words, show: Show) -> None:
    """Microphone left, camera right, always; a raised hand between them while nobody hears us."""
    live, privacy = mic_live(show), show.privacy
    if privacy.stopped and not live and not camera_live(show):
        page.box(0, AREA_BOTTOM, WIDTH, BOTTOM, CARE)
        _state(page, EDGE, WIDTH, Sign.CAMERA_OFF, words("band.stopped"), BLACK, BLACK)
        return
    hand = show.hand and not live and not invited(show)
    mic_end = _HAND_X if hand else _CAMERA_X
    if live:
        page.box(0, AREA_BOTTOM, mic_end, BOTTOM, LIVE)
        word = "band.mic_open" if show.meeting is not None else "band.mic_check"
        _state(page, EDGE, mic_end, Sign.MIC_OPEN, words(word), WHITE, WHITE)
    elif privacy.muted and invited(show):
        page.box(0, AREA_BOTTOM, mic_end, BOTTOM, CARE)
        page.sign(EDGE, AREA_BOTTOM + 15, 42, Sign.MIC_CLOSED, BLACK)
        x = EDGE + 58
        word, room = words("band.unmute"), mic_end - 12 - x
        page.instruct(word, x, AREA_BOTTOM, room, BOTTOM, colour=BLACK, middle=True)
    elif privacy.muted:
        page.box(0, AREA_BOTTOM, mic_end, BOTTOM, CARE)
        word = "band.muted_short" if hand else "band.muted"
        _state(page, EDGE, mic_end, Sign.MIC_CLOSED, words(word), BLACK, BLACK)
    else:
        page.box(0, AREA_BOTTOM, mic_end, BOTTOM, PANEL)
        _state(page, EDGE, mic_end, Sign.MIC_CLOSED, words("band.mic_closed"), MUTED, MUTED)
    if hand:
        page.box(_HAND_X + 2, AREA_BOTTOM, _CAMERA_X - _HAND_X - 2, BOTTOM, ACCENT)
        _state(page, _HAND_X + 18, _CAMERA_X, Sign.HAND, words("band.hand"), BLACK, BLACK)
    page.box(_CAMERA_X + 2, AREA_BOTTOM, WIDTH - _CAMERA_X - 2, BOTTOM, PANEL)
    if camera_live(show):
        _state(page, _CAMERA_X + EDGE, WIDTH, Sign.CAMERA, words("band.camera_on"), BAD, TEXT)
    else:
        _state(page, _CAMERA_X + EDGE, WIDTH, Sign.CAMERA_OFF, words("band.camera_off"), MUTED, MUTED)


def _state(page: Page, x: float, end: float, sign: Sign, text: str, sign_in: Colour, text_in: Colour) -> None:
    page.sign(x, AREA_BOTTOM + 15, 42, sign, sign_in)
    x += 58
    room = end - EDGE - x
    page.write(
        text, x, AREA_BOTTOM, room, BOTTOM, size=32, smallest=24, face=Face.BOLD, colour=text_in, middle=True
    )


def _draw_footer(page: Page, words: Words, show: Show) -> None:
    page.box(0, AREA_BOTTOM, WIDTH, BOTTOM, PANEL)
    link = words("link.up" if show.link else "link.down")
    link_width = page.width_of(link, Face.REGULAR, 26) + 4
    link_x = WIDTH - EDGE - link_width
    page.write(
        link,
        link_x,
        AREA_BOTTOM,
        link_width,
        BOTTOM,
        size=26,
        colour=MUTED if show.link else BAD,
        middle=True,
    )
    sign = Sign.LINK if show.link else Sign.LINK_LOST
    page.sign(link_x - 46, AREA_BOTTOM + 19, 34, sign, GOOD if show.link else BAD)
    if show.faulty:  # whom to call is said above, larger
        title = show.next.title if show.next else ""
        page.write(
            title,
            EDGE,
            AREA_BOTTOM,
            link_x - 70 - EDGE,
            BOTTOM,
            size=28,
            smallest=20,
            colour=MUTED,
            middle=True,
        )
        return
    page.sign(EDGE, AREA_BOTTOM + 19, 34, Sign.PHONE, ACCENT)
    label = words("call.whom")
    label_width = page.width_of(label, Face.REGULAR, 26)
    page.write(label, EDGE + 50, AREA_BOTTOM, label_width + 4, BOTTOM, size=26, colour=MUTED, middle=True)
    x = EDGE + 50 + label_width + 14
    whom = contact(words, show)
    page.write(
        whom, x, AREA_BOTTOM, link_x - 70 - x, BOTTOM, size=32, smallest=22, face=Face.BOLD, middle=True
    )


def contact(words: Words, show: Show) -> str:
    """Name and number to call, on one line; the office's role while no name is known."""
    name = show.coordinator.name or words("call.nobody")
    return f"{show.coordinator.phone} · {name}" if show.coordinator.phone else name


def draw_call(page: Page, words: Words, show: Show, y: float, *, label: str) -> None:
    """Whom to call, in the view itself."""
    page.box(MARGIN, y, WIDTH - 2 * MARGIN, 2, LINE)
    page.write(label, MARGIN, y + 20, WIDTH - 2 * MARGIN, 44, size=30, smallest=24, colour=MUTED)
    page.sign(MARGIN, y + 76, 44, Sign.PHONE, ACCENT)
    page.write(
        contact(words, show),
        MARGIN + 64,
        y + 64,
        WIDTH - 2 * MARGIN - 64,
        68,
        size=46,
        smallest=24,
        face=Face.BOLD,
        colour=TEXT,
        middle=True,
    )
