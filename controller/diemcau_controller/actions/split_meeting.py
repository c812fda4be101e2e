"""Cut a recurring meeting in two, so that what was held stays as it was when the rest is changed.

The later part keeps the id; the earlier part (or the one date that differs) becomes a meeting of its own.
Occurrences keep their names, rooms and history: they are named after the series.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules.refusals import Conflict, Invalid
from ..rules.repeat import repeat
from ..rules.schedule import CONFLICT_HORIZON, announces, expand, occurrence_id
from ..rules.simple_repeat import continued, ended_before
from ..store.tables import Attachment, Invitation, Meeting, MeetingException, Occurrence
from .add_meeting import new_meeting_id
from .attachments import new_attachment_id
from .occurrences import original_of
from .plan_of import plan_of


def split(
    session: Session, settings: Settings, now: datetime, meeting: Meeting, since: str | None, *, only: bool
) -> Meeting:
    """What is to be changed: the meeting from the date `since` on (None: the next that has not opened), or
    with `only` that date as a meeting of its own. One that is held once is given as it is."""
    if meeting.rrule is None:
        return meeting
    day = _day(session, settings, now, meeting, since, only=only)
    if only:
        return _detach(session, meeting, day)
    plan = plan_of(meeting)
    first = plan.starts_local
    if day > first:
        held = len(repeat(meeting.rrule, first, settings.zone, day).between(first, day, inc=True))
        held -= announces(plan, day, settings.zone)
        _cut(session, meeting, day, held)
    return meeting


def _day(
    session: Session, settings: Settings, now: datetime, meeting: Meeting, since: str | None, *, only: bool
) -> datetime:
    plan = plan_of(meeting)
    coming = expand(plan, settings.zone, now, now + CONFLICT_HORIZON)
    over = set(
        session.scalars(
            select(Occurrence.id).where(
                Occurrence.meeting_id == meeting.id, Occurrence.finished_at.is_not(None)
            )
        )
    )
    open_dates = [time for time in coming if time.id not in over]
    if not only:  # a date that is open stays with what it was announced as
        open_dates = [time for time in open_dates if time.opens_at > now]
    if since is None and open_dates:
        return min(time.original for time in open_dates)
    for time in open_dates:
        if time.id == since:
            return time.original
    if since is None:
        raise Conflict(f"meeting {meeting.id} has no date to come", code="schedule.over", field="since")
    raise Invalid(
        f"{since} is no date to come of meeting {meeting.id}", code="schedule.unknown_date", field="since"
    )


def _cut(session: Session, meeting: Meeting, day: datetime, held: int) -> None:
    rule = meeting.rrule or ""
    earlier = _copy(session, meeting, rrule=ended_before(rule, day))
    meeting.rrule = continued(rule, held)
    meeting.starts_local = day.isoformat()
    for one in list(meeting.exceptions):
        if datetime.fromisoformat(one.starts_local) < day:
            meeting.exceptions.remove(one)
            earlier.exceptions.append(
                MeetingException(starts_local=one.starts_local, moved_to=one.moved_to, reason=one.reason)
            )
    for row in session.scalars(select(Occurrence).where(Occurrence.meeting_id == meeting.id)):
        if original_of(row.id) < day:
            row.meeting_id = earlier.id
    session.flush()
    session.expire_all()


def _detach(session: Session, meeting: Meeting, day: datetime) -> Meeting:
    single = _copy(session, meeting, rrule=None)
    single.starts_local = day.isoformat()
    for one in list(meeting.exceptions):
        if one.starts_local == day.isoformat():
            if one.moved_to is not None:
                single.exceptions.append(
                    MeetingException(starts_local=one.starts_local, moved_to=one.moved_to)
                )
            one.moved_to, one.reason = None, ""
            break
    else:
        meeting.exceptions.append(MeetingException(starts_local=day.isoformat(), moved_to=None))
    row = session.get(Occurrence, occurrence_id(meeting.series or meeting.id, day))
    if row is not None:
        row.meeting_id = single.id
    session.flush()
    session.expire_all()
    return single


def _copy(session: Session, meeting: Meeting, *, rrule: str | None) -> Meeting:
    copy = Meeting(
        id=new_meeting_id(),
        series=meeting.series or meeting.id,
        rrule=rrule,
        **{
            column: getattr(meeting, column)
            for column in Meeting.__table__.columns.keys()  # noqa: SIM118 - columns, not their names, are iterated
            if column not in ("id", "series", "rrule")
        },
        invited=[Invitation(site_id=row.site_id, position=row.position) for row in meeting.invited],
        attachments=[
            Attachment(
                id=new_attachment_id(),
                **{
                    column: getattr(row, column)
                    for column in ("name", "media_type", "size", "sha256", "added_at", "added_by")
                },
            )
            for row in meeting.attachments
        ],
    )
    session.add(copy)
    session.flush()
    return copy
