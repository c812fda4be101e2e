"""One date of a meeting: not held, held at another time, or held as announced after all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from diemcau_wire.messages import Nfc
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules.actor import Actor
from ..rules.refusals import Conflict, Invalid, NotFound
from ..rules.schedule import (
    CONFLICT_HORIZON,
    announces,
    check_apart,
    check_not_past,
    expand,
    occurrence_id,
)
from ..store.tables import Meeting, MeetingException, Occurrence
from .audit import record
from .change_meeting import changeable
from .close_meeting import call_off
from .controller import Controller, Letter
from .meeting_spec import Line, Moment
from .occurrences import fit_occurrences, original_of, wall_clock
from .plan_of import plan_of
from .scope import meeting_for
from .taken_halls import need_free_halls


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("give a reason in a few words")
    return value


Reason = Annotated[Line, Field(max_length=200), Nfc, AfterValidator(_said)]


class Skip(BaseModel):
    """Why a date is not held."""

    model_config = ConfigDict(extra="forbid")
    reason: Line = ""


class Move(BaseModel):
    """When a date is held instead; without an offset it is the coordinator's wall-clock time."""

    model_config = ConfigDict(extra="forbid")
    starts_at: Moment
    reason: Line = ""


async def skip_date(controller: Controller, who: Actor, occurrence: str, reason: str = "") -> str:
    """A date will not be held; one held once is called off. Gives the meeting's id.

    Raises :class:`Conflict` for one that has opened.
    """

    def change(session: Session) -> tuple[str, list[Letter]]:
        now = controller.now()
        meeting, original = _coming(session, controller.settings, now, who, occurrence)
        row = session.get(Occurrence, occurrence)
        if row is not None:
            call_off(session, row, now, reason)
        else:
            _except(session, meeting, original, None, reason)
            meeting.version += 1
        session.flush()
        session.refresh(meeting)
        _note(session, who, now, "meeting.skip", meeting, original, None, reason)
        return meeting.id, fit_occurrences(session, controller.settings, now, meeting)

    return await _done(controller, change)


async def move_date(controller: Controller, who: Actor, occurrence: str, move: Move) -> str:
    """A date will be held at another time, under the same name and links. Gives the meeting's id."""

    def change(session: Session) -> tuple[str, list[Letter]]:
        settings, now = controller.settings, controller.now()
        meeting, original = _coming(session, settings, now, who, occurrence)
        local = wall_clock(move.starts_at, settings.zone)
        check_not_past(local, settings.zone, now)
        _except(session, meeting, original, local, move.reason)
        meeting.version += 1
        session.flush()
        session.refresh(meeting)
        plan = plan_of(meeting)
        check_apart(expand(plan, settings.zone, now, now + CONFLICT_HORIZON), settings.zone)
        single = replace(plan, rrule=None, starts_local=original, moves={original: local})
        need_free_halls(
            session,
            settings,
            now,
            single,
            meeting.main_site_id,
            meeting.site_ids,
            apart_from={meeting.id},
        )
        _note(session, who, now, "meeting.move", meeting, original, local, move.reason)
        return meeting.id, fit_occurrences(session, settings, now, meeting)

    return await _done(controller, change)


async def restore_date(controller: Controller, who: Actor, occurrence: str) -> str:
    """A date that was skipped or moved is held as it was announced. Gives the meeting's id."""

    def change(session: Session) -> tuple[str, list[Letter]]:
        settings, now = controller.settings, controller.now()
        meeting, original = _named(session, settings, who, occurrence)
        changeable(session, who, meeting.id, None)
        known = session.get(MeetingException, (meeting.id, original.isoformat()))
        if known is None or is_apart(session, meeting, original):
            raise Conflict(f"date {occurrence} is as it was announced", code="schedule.not_excepted")
        check_not_past(original, settings.zone, now)
        session.delete(known)
        meeting.version += 1
        session.flush()
        session.refresh(meeting)
        plan = plan_of(meeting)
        check_apart(expand(plan, settings.zone, now, now + CONFLICT_HORIZON), settings.zone)
        single = replace(plan, rrule=None, starts_local=original, moves={})
        sites = meeting.site_ids
        own = {meeting.id}
        need_free_halls(session, settings, now, single, meeting.main_site_id, sites, apart_from=own)
        _note(session, who, now, "meeting.restore", meeting, original, original, "")
        return meeting.id, fit_occurrences(session, settings, now, meeting)

    return await _done(controller, change)


def is_apart(session: Session, meeting: Meeting, original: datetime) -> bool:
    """Whether that date of a series was made a meeting of its own."""
    series = meeting.series or meeting.id
    others = select(Meeting.id).where(
        Meeting.series == series, Meeting.id != meeting.id, Meeting.starts_local == original.isoformat()
    )
    return session.scalars(others.where(Meeting.rrule.is_(None))).first() is not None


async def _done(controller: Controller, change: Callable[[Session], tuple[str, list[Letter]]]) -> str:
    meeting, letters = await controller.write(change)
    controller.send(letters)
    controller.news.tell("schedule", meeting=meeting)
    return meeting


def _named(session: Session, settings: Settings, who: Actor, occurrence: str) -> tuple[Meeting, datetime]:
    """The meeting of a date, which may lie beyond the horizon, and the time it was announced for."""
    row = session.get(Occurrence, occurrence)
    meeting = meeting_for(session, who, row.meeting_id if row else occurrence.rpartition("-")[0])
    try:
        original = original_of(occurrence)
    except ValueError:
        original = None
    if original is None or not announces(plan_of(meeting), original, settings.zone):
        raise NotFound(
            f"{occurrence[:80]} is no date of meeting {meeting.id}",
            code="schedule.unknown_date",
            field="since",
        )
    return meeting, original


def _coming(
    session: Session, settings: Settings, now: datetime, who: Actor, occurrence: str
) -> tuple[Meeting, datetime]:
    meeting, original = _named(session, settings, who, occurrence)
    changeable(session, who, meeting.id, None)
    row = session.get(Occurrence, occurrence)
    plan = plan_of(meeting)
    if row is not None:
        opened = row.opens_at <= now or row.finished_at is not None
    else:
        times = expand(plan, settings.zone, now, now + CONFLICT_HORIZON)
        opened = occurrence_id(plan.id, original) not in {time.id for time in times}
    if opened:
        raise Conflict(
            f"date {occurrence} has opened, is over or was called off: it cannot be moved or skipped",
            code="schedule.date_over",
        )
    return meeting, original


def _except(
    session: Session, meeting: Meeting, original: datetime, local: datetime | None, reason: str
) -> None:
    if local == original:
        raise Invalid("the date is held at that time already", code="schedule.same_time", field="starts_at")
    session.merge(
        MeetingException(
            meeting_id=meeting.id,
            starts_local=original.isoformat(),
            moved_to=local.isoformat() if local is not None else None,
            reason=reason,
        )
    )


def _note(
    session: Session,
    who: Actor,
    now: datetime,
    action: str,
    meeting: Meeting,
    original: datetime,
    local: datetime | None,
    reason: str,
) -> None:
    after = {
        "version": meeting.version,
        "date": original.isoformat(),
        "starts_local": local.isoformat() if local else None,
        "reason": reason,
    }
    before = {
        "version": meeting.version - 1,
        "date": original.isoformat(),
        "starts_local": original.isoformat(),
    }
    record(session, who, now, action, f"meeting:{meeting.id}", before=before, after=after)
