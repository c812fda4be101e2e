"""The occurrences of a meeting: rows for the dates of the horizon, kept equal to what is announced."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules import floor
from ..rules.schedule import HORIZON, Times, expand
from ..store.tables import Meeting, Occurrence
from .controller import Letter
from .desired import renew_schedule, units_at
from .plan_of import plan_of
from .tokens import new_pin


def fit_occurrences(
    session: Session, settings: Settings, now: datetime, meeting: Meeting, left: Iterable[str] = ()
) -> list[Letter]:
    """Make, move, call off and revive dates of a meeting until they are what it announces; tell its units.

    What has opened is left alone; it changes only by the hand of whoever runs it. `left` are sites that are
    no longer invited.
    """
    session.flush()
    wanted: dict[str, Times] = {}
    if meeting.cancelled_at is None:
        times = expand(plan_of(meeting), settings.zone, now, now + HORIZON)
        wanted = {time.id: time for time in times}
    rows = {
        row.id: row for row in session.scalars(select(Occurrence).where(Occurrence.meeting_id == meeting.id))
    }
    for row in rows.values():
        if row.finished_at is None and row.opens_at > now and row.id not in wanted:
            row.closed_at = row.finished_at = now
    for time in wanted.values():
        known = rows.get(time.id) or session.get(Occurrence, time.id)
        if known is None:
            _make_way(session, rows, time)
            session.add(new_occurrence(meeting, time))
        elif known.meeting_id == meeting.id and _never_opened(known, now):
            _make_way(session, rows, time)
            _set_times(known, time)
            known.closed_at = known.finished_at = known.reported_at = None
            if known.floor_seq == 0:
                known.floor_speakers = list(floor.default(meeting.main_site_id).speakers)
        session.flush()
    return renew_schedule(session, settings, now, units_at(session, [*meeting.site_ids, *left]))


def new_occurrence(meeting: Meeting, time: Times) -> Occurrence:
    """A date with a room of its own, not yet made."""
    return Occurrence(
        id=time.id,
        meeting_id=meeting.id,
        opens_at=time.opens_at,
        starts_at=time.starts_at,
        ends_at=time.ends_at,
        cap_at=time.cap_at,
        room=secrets.token_hex(8),
        secret=secrets.token_hex(16),
        pin=new_pin(),
        floor_speakers=list(floor.default(meeting.main_site_id).speakers),
    )


def original_of(occurrence_id: str) -> datetime:
    """The wall-clock time an occurrence was announced for, which its id names. Raises ValueError."""
    return datetime.fromisoformat(occurrence_id.rpartition("-")[2])


def wall_clock(moment: datetime, zone: tzinfo) -> datetime:
    """A moment, or a naive wall-clock time, as naive wall-clock time."""
    local = moment if moment.tzinfo is None else moment.astimezone(zone).replace(tzinfo=None)
    return local.replace(microsecond=0)


def _never_opened(row: Occurrence, now: datetime) -> bool:
    return row.opens_at > now if row.finished_at is None else row.finished_at <= row.opens_at


def _set_times(row: Occurrence, time: Times) -> None:
    row.opens_at, row.starts_at = time.opens_at, time.starts_at
    row.ends_at, row.cap_at = time.ends_at, time.cap_at


def _make_way(session: Session, rows: dict[str, Occurrence], time: Times) -> None:
    """The table knows one occurrence of a meeting per start: one that was called off gives its start free."""
    starts = {row.starts_at for row in rows.values()}
    for row in rows.values():
        if row.id != time.id and row.starts_at == time.starts_at and row.finished_at is not None:
            while row.starts_at in starts:
                row.starts_at -= timedelta(microseconds=1)
            session.flush()
