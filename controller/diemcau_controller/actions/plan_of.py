"""Stored meetings as the rules see them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import selectinload

from ..config import Settings
from ..rules.schedule import Plan, to_local
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


def announced_between(settings: Settings, since: datetime, until: datetime) -> Select[Meeting]:
    """The meetings that may take place between two moments: recurring ones, those that begin about then, and
    those of which a date was moved; none that was called off."""
    earliest = to_local(since - timedelta(days=2), settings.zone).isoformat()
    latest = to_local(until, settings.zone).isoformat()
    within = (Meeting.starts_local <= latest) & (
        Meeting.rrule.is_not(None) | (Meeting.starts_local >= earliest)
    )
    called_off = Meeting.cancelled_at.is_not(None)
    announced = select(Meeting).options(selectinload(Meeting.exceptions))
    return announced.where(~called_off, within | Meeting.exceptions.any())
