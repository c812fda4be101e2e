"""What the unit wants shown: the `show` line, checked at the border. Shapes are in ARCHITECTURE.md."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from diemcau_wire.enrolment import CODE_DIGITS
from diemcau_wire.messages import Mode

from ..ipc import Garbage, Line
from ..rules.enrolling import At, Step
from ..rules.verdict import Verdict
from .words import LANGUAGES

MAX_SLOTS = 2
MAX_TEXT = 200
_ADDRESS = re.compile(r"https://[!-~]{1,292}")
_P = TypeVar("_P")
_E = TypeVar("_E", bound=StrEnum)


class Reason(StrEnum):
    """What camera and microphone are opened for."""

    CHECK = "check"
    PICTURE = "picture"
    CODE = "code"


class View(StrEnum):
    """What fills the screen."""

    IDLE = "idle"
    COUNTDOWN = "countdown"
    HELD = "held"
    MEETING = "meeting"
    RECONNECTING = "reconnecting"
    GOODBYE = "goodbye"
    ENROLLING = "enrolling"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Site:
    id: str
    name: str
    area: str


@dataclass(frozen=True, slots=True)
class Contact:
    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class NextMeeting:
    """The next meeting. `mode` as on the wire: `here`, `elsewhere`, `in_person`."""

    title: str
    starts_at: datetime
    main_site_name: str
    mode: Mode = Mode.HERE


@dataclass(frozen=True, slots=True)
class Urgent:
    """The urgent meeting that calls, and when this hall will be in it."""

    title: str
    joins_at: datetime
    main_site_name: str


@dataclass(frozen=True, slots=True)
class Held:
    """The meeting on another system, or in person, that has the hall."""

    title: str
    mode: Mode
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """Whose picture is in a slot."""

    site: str
    name: str


@dataclass(frozen=True, slots=True)
class Meeting:
    """The meeting at hand. `slots` has the place of each frame buffer; None is an empty place."""

    id: str
    title: str
    starts_at: datetime
    ends_at: datetime
    speaker: str | None
    slots: tuple[Slot | None, ...]
    mic_open: bool
    camera: bool


@dataclass(frozen=True, slots=True)
class Privacy:
    """What is live outside the meeting's own account of it, and what the hall has shut. `opens_at`: camera
    and microphone open then, for `reason`; None while nothing is announced."""

    camera: bool = False
    microphone: bool = False
    muted: bool = False
    stopped: bool = False
    opens_at: datetime | None = None
    reason: Reason = Reason.CHECK


@dataclass(frozen=True, slots=True)
class Enrolling:
    """How far a box is on its way to be a unit. `why` and `remark` are keys of the texts, "" for nothing
    wrong; `where` and `line` is what their sentences name. `code` are nine digits, good until `until`, `qr`
    the address they are entered at."""

    steps: tuple[tuple[Step, At], ...]
    why: str = ""
    remark: str = ""
    where: str = ""
    line: str = ""
    code: str = ""
    until: datetime | None = None
    qr: str = ""
    site_name: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Replaced:
    """A unit that is none any more: another one serves `site_name` now, or it was revoked."""

    revoked: bool
    site_name: str
    serial: str


@dataclass(frozen=True, slots=True)
class Show:
    """One `show` line. `phone` is the address of the hall's phone page, "" while it is of no use.

    `checking`: what is being checked now, a key of the texts. The check may be put off until
    `postpone_until` at the latest; one that was put off comes at `postponed_to`. `whom` is to be called
    about the instruction, None for the coordinator. `clock_ahead_s` is how far this machine's clock is known
    to be ahead of the coordinator's.
    """

    view: View
    language: str
    site: Site | None
    coordinator: Contact
    link: bool
    verdict: Verdict
    instruction: str
    next: NextMeeting | None
    meeting: Meeting | None
    urgent: Urgent | None = None
    held: Held | None = None
    phone: str = ""
    checking: str = ""
    postpone_until: datetime | None = None
    postponed_to: datetime | None = None
    whom: Contact | None = None
    privacy: Privacy = Privacy()
    hand: bool = False
    clock_ahead_s: float = 0.0
    enrolling: Enrolling | None = None
    replaced: Replaced | None = None

    @property
    def waiting(self) -> bool:
        """True while no meeting has the screen, nor an urgent one calls."""
        waiting = (View.IDLE, View.COUNTDOWN, View.HELD, View.ENROLLING)
        return self.view in waiting and self.urgent is None

    @property
    def faulty(self) -> bool:
        """True when what keeps this hall from being ready has the screen."""
        bad = self.verdict is Verdict.NOT_READY and bool(self.instruction)
        return bad and self.waiting and self.view in (View.IDLE, View.COUNTDOWN)


def parse_show(line: Line) -> Show:
    """Read a `show` line. Raises :class:`Garbage`, and nothing else, when it is not one."""
    readiness = _object(line, "readiness") or {}
    show = Show(
        view=_choice(View, line, "view"),
        language=_text(line, "language"),
        site=_part(line, "site", _site),
        coordinator=_part(line, "coordinator", _contact) or Contact("", ""),
        link=_flag(line, "link"),
        verdict=_choice(Verdict, readiness, "verdict", Verdict.UNKNOWN),
        instruction=_text(readiness, "instruction", ""),
        next=_part(line, "next", _next),
        meeting=_part(line, "meeting", _meeting),
        urgent=_part(line, "urgent", _urgent),
        held=_part(line, "held", _held),
        phone=_address(line, "phone"),
        checking=_text(readiness, "checking_what", ""),
        postpone_until=_time_or_none(readiness, "postpone_until"),
        postponed_to=_time_or_none(readiness, "postponed_to"),
        whom=_part(readiness, "whom", _contact),
        privacy=_part(line, "privacy", _privacy) or Privacy(),
        hand=_flag(line, "hand"),
        clock_ahead_s=_seconds(line, "clock_ahead_s"),
        enrolling=_part(line, "enrolling", _enrolling),
        replaced=_part(line, "replaced", _replaced),
    )
    if show.language not in LANGUAGES:
        raise Garbage(f"unknown language {show.language[:20]!r}")
    if show.view is View.MEETING and show.meeting is None:
        raise Garbage("the view `meeting` without a meeting")
    if show.view is View.HELD and show.held is None:
        raise Garbage("the view `held` without a meeting that holds the hall")
    if show.view is View.ENROLLING and show.enrolling is None:
        raise Garbage("the view `enrolling` without the way so far")
    if show.view is View.REPLACED and show.replaced is None:
        raise Garbage("the view `replaced` without what was said")
    return show


def _site(part: Line) -> Site:
    return Site(_text(part, "id"), _text(part, "name"), _text(part, "area", ""))


def _contact(part: Line) -> Contact:
    return Contact(_text(part, "name", ""), _text(part, "phone", ""))


def _next(part: Line) -> NextMeeting:
    return NextMeeting(
        title=_text(part, "title"),
        starts_at=_time(part, "starts_at"),
        main_site_name=_text(part, "main_site_name", ""),
        mode=_choice(Mode, part, "mode", Mode.HERE),
    )


def _urgent(part: Line) -> Urgent:
    return Urgent(_text(part, "title"), _time(part, "joins_at"), _text(part, "main_site_name", ""))


def _held(part: Line) -> Held:
    return Held(
        title=_text(part, "title"),
        mode=_choice(Mode, part, "mode"),
        starts_at=_time(part, "starts_at"),
        ends_at=_time(part, "ends_at"),
    )


def _privacy(part: Line) -> Privacy:
    return Privacy(
        camera=_flag(part, "camera"),
        microphone=_flag(part, "microphone"),
        muted=_flag(part, "muted"),
        stopped=_flag(part, "stopped"),
        opens_at=_time_or_none(part, "opens_at"),
        reason=_choice(Reason, part, "reason", Reason.CHECK),
    )


def _enrolling(part: Line) -> Enrolling:
    steps = part.get("steps", [])
    if not isinstance(steps, list) or len(steps) > len(Step):
        raise Garbage("steps: not a list of steps")
    code = _text(part, "code", "")
    if code and not (len(code) == CODE_DIGITS and code.isascii() and code.isdigit()):
        raise Garbage("code: not nine digits")
    return Enrolling(
        steps=tuple(_step(step) for step in steps),
        why=_text(part, "why", ""),
        remark=_text(part, "remark", ""),
        where=_text(part, "where", ""),
        line=_text(part, "line", ""),
        code=code,
        until=_time_or_none(part, "until"),
        qr=_address(part, "qr"),
        site_name=_text(part, "site_name", ""),
        serial=_text(part, "serial", ""),
    )


def _step(part: Any) -> tuple[Step, At]:
    if not isinstance(part, dict):
        raise Garbage("step: not an object")
    return _choice(Step, part, "step"), _choice(At, part, "at")


def _replaced(part: Line) -> Replaced:
    revoked = _text(part, "verdict") == "revoked"
    return Replaced(revoked, _text(part, "site_name", ""), _text(part, "serial", ""))


def _meeting(part: Line) -> Meeting:
    slots = part.get("slots", [])
    if not isinstance(slots, list) or len(slots) > MAX_SLOTS:
        raise Garbage(f"slots: not a list of at most {MAX_SLOTS}")
    mic = _text(part, "mic", "closed")
    if mic not in ("open", "closed"):
        raise Garbage(f"mic: {mic[:20]!r}")
    return Meeting(
        id=_text(part, "id"),
        title=_text(part, "title"),
        starts_at=_time(part, "starts_at"),
        ends_at=_time(part, "ends_at"),
        speaker=None if part.get("speaker") is None else _text(part, "speaker"),
        slots=tuple(_slot(slot) for slot in slots),
        mic_open=mic == "open",
        camera=_flag(part, "camera"),
    )


def _slot(part: Any) -> Slot | None:
    if part is None:
        return None
    if not isinstance(part, dict):
        raise Garbage("slot: not an object")
    if part.get("site") is None:
        return None
    return Slot(_text(part, "site"), _text(part, "name"))


def _object(part: Line, key: str) -> Line | None:
    value = part.get(key)
    if value is not None and not isinstance(value, dict):
        raise Garbage(f"{key}: not an object")
    return value


def _part(part: Line, key: str, parse: Callable[[Line], _P]) -> _P | None:
    value = _object(part, key)
    return None if value is None else parse(value)


def _text(part: Line, key: str, default: str | None = None) -> str:
    value = part.get(key, default)
    if not isinstance(value, str):
        raise Garbage(f"{key}: not a text")
    clean = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in value)
    return unicodedata.normalize("NFC", clean).strip()[:MAX_TEXT]


def _address(part: Line, key: str) -> str:
    """An address for a QR code: never cut, or it would lead elsewhere."""
    value = part.get(key, "")
    if not isinstance(value, str) or (value and not _ADDRESS.fullmatch(value)):
        raise Garbage(f"{key}: not an address")
    return value


def _flag(part: Line, key: str) -> bool:
    value = part.get(key, False)
    if not isinstance(value, bool):
        raise Garbage(f"{key}: neither true nor false")
    return value


def _seconds(part: Line, key: str) -> float:
    value = part.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e10:
        raise Garbage(f"{key}: not a number of seconds")
    return float(value)


def _time(part: Line, key: str) -> datetime:
    try:
        at = datetime.fromisoformat(_text(part, key))
        if at.tzinfo is None:
            raise ValueError("no time zone")
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Garbage(f"{key}: {error}") from None


def _time_or_none(part: Line, key: str) -> datetime | None:
    return None if part.get(key) is None else _time(part, key)


def _choice(kind: type[_E], part: Line, key: str, default: _E | None = None) -> _E:
    try:
        return kind(_text(part, key, default))
    except ValueError:
        raise Garbage(f"{key}: unknown {str(part.get(key))[:20]!r}") from None
