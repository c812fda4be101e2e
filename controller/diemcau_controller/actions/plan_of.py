"""A stored meeting as the rules see it."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..rules.schedule import Plan
from ..store.tables import Meeting


def plan_of(meeting: Meeting) -> Plan:
    """When it takes place. Its occurrences are named after the series it belongs to."""
    return Plan(
        id=meeting.series or meeting.id,
        starts_local=datetime.fromisoformat(meeting.starts_local),
        duration=timedelta(seconds=meeting.duration_s),
        opens_before=timedelta(seconds=meeting.opens_before_s),
        overrun=timedelta(seconds=meeting.overrun_s),
        rrule=meeting.rrule,
        moves={
            datetime.fromisoformat(one.starts_local): datetime.fromisoformat(one.moved_to)
            if one.moved_to
            else None
            for one in meeting.exceptions
        },
    )


def starts_local(meeting: Meeting) -> datetime:
    """The wall-clock start people know: of a meeting held once, the one it was moved to."""
    announced = datetime.fromisoformat(meeting.starts_local)
    if meeting.rrule is not None:
        return announced
    return plan_of(meeting).moves.get(announced) or announced
