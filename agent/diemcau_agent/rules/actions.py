"""What the session rules ask the shell to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from diemcau_wire.messages import EventKind, Occurrence

from .floor import Slots


class AskedBy(StrEnum):
    """Why a check runs."""

    BEFORE = "before"
    MORNING = "morning"
    POWER = "power"
    PLUGGED = "plugged"
    PAGE = "page"
    HALL = "hall"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class StartMedia:
    """Start a fresh media process and have it join `meeting`; one that still runs is ended first."""

    meeting: Occurrence


@dataclass(frozen=True, slots=True)
class StopMedia:
    """End the media process: asked to leave first when `politely`, at once otherwise."""

    politely: bool


@dataclass(frozen=True, slots=True)
class SendFloor:
    """Tell the media process whom to show and play, and whether microphone and camera may be open."""

    slots: Slots
    mic: bool
    camera: bool


@dataclass(frozen=True, slots=True)
class StartCheck:
    """Check the room, and the way into `meeting` if there is one, for at most `limit_s`."""

    meeting: Occurrence | None
    limit_s: float
    asked_by: AskedBy


@dataclass(frozen=True, slots=True)
class EndCheck:
    """The check ends now. `judge`: by what is known so far; otherwise it is forgotten."""

    judge: bool = True


@dataclass(frozen=True, slots=True)
class StartChime:
    """Sound the chime of an urgent meeting for `seconds`, through the media process of the meeting the hall
    is in, or a fresh one."""

    seconds: float
    in_meeting: bool


@dataclass(frozen=True, slots=True)
class StopChime:
    """No more chime."""

    in_meeting: bool


@dataclass(frozen=True, slots=True)
class Emit:
    """Something happened: one event into the outbox."""

    kind: EventKind
    meeting: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


Action = StartMedia | StopMedia | SendFloor | StartCheck | EndCheck | StartChime | StopChime | Emit
