"""How a meeting and a hall in it stand, in one word each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from .attendance import Attendance


class Phase(StrEnum):
    """before: not open yet. open: halls join. running: it has begun. overrun: past its announced end."""

    BEFORE = "before"
    OPEN = "open"
    RUNNING = "running"
    OVERRUN = "overrun"
    OVER = "over"

    @property
    def live(self) -> bool:
        """Somebody may be in it."""
        return self not in (Phase.BEFORE, Phase.OVER)

    @property
    def begun(self) -> bool:
        """Who is not in now is late."""
        return self in (Phase.RUNNING, Phase.OVERRUN)


class Standing(StrEnum):
    """dropped: was in, is gone without a farewell. left: said good-bye. absent: was never in."""

    IN_MEETING = "in_meeting"
    RECONNECTING = "reconnecting"
    JOINING = "joining"
    DROPPED = "dropped"
    LEFT = "left"
    ABSENT = "absent"

    @property
    def missing(self) -> bool:
        """Somebody has to call there once the meeting has begun."""
        return self in (Standing.DROPPED, Standing.ABSENT)


def phase(
    opens_at: datetime,
    starts_at: datetime,
    ends_at: datetime,
    cap_at: datetime,
    finished_at: datetime | None,
    now: datetime,
) -> Phase:
    """Where a meeting is between its opening and its end."""
    if finished_at is not None or now >= cap_at:
        return Phase.OVER
    if now < opens_at:
        return Phase.BEFORE
    if now < starts_at:
        return Phase.OPEN
    return Phase.RUNNING if now < ends_at else Phase.OVERRUN


def standing(session: str | None, attendance: Attendance, *, in_room: bool) -> Standing:
    """A hall's standing. `session` is what its connected unit last said of this meeting (None: nothing);
    `in_room` that the room has a picture or sound of it, whoever sends it."""
    if session in ("in_meeting", "reconnecting", "joining"):
        return Standing(session)
    if in_room:
        return Standing.IN_MEETING
    if attendance.left:
        return Standing.LEFT
    return Standing.DROPPED if attendance.joined else Standing.ABSENT
