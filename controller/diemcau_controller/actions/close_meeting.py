"""End a meeting now (the chair's word), or call off one that was announced."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Conflict
from ..store.tables import MeetingException, Occurrence
from .audit import record
from .controller import Controller, Letter
from .desired import renew_schedule, units_at
from .find_occurrence import find_occurrence
from .occurrences import original_of
from .scope import meeting_for, need_main_site, need_whole_meeting


async def close_meeting(controller: Controller, who: Actor, occurrence_id: str) -> str:
    """End one occurrence: its units leave. Gives its id. Closing a closed one changes nothing.

    One that has not opened yet is called off: the date of a recurring meeting is not held.
    """
    now = controller.now()

    def change(session: Session) -> tuple[str, list[Letter]]:
        occurrence = find_occurrence(session, who, occurrence_id, now)
        need_main_site(who, occurrence.meeting)
        if occurrence.closed_at is not None:
            return occurrence.id, []
        if occurrence.finished_at is not None:
            raise Conflict(
                f"meeting {occurrence.id} is over: there is nothing to close", code="meetings.over"
            )
        if occurrence.opens_at > now:
            call_off(session, occurrence, now)
        occurrence.closed_at = occurrence.finished_at = now
        session.flush()
        record(session, who, now, "meeting.close", f"meeting:{occurrence.id}", after={"closed": True})
        units = units_at(session, occurrence.meeting.site_ids)
        return occurrence.id, renew_schedule(session, controller.settings, now, units)

    closed, letters = await controller.write(change)
    controller.send(letters)
    controller.news.tell("schedule", meeting=closed)
    return closed


def call_off(session: Session, occurrence: Occurrence, now: datetime, reason: str = "") -> None:
    """Note that a date will not be held, so that the horizon does not bring it back."""
    meeting = occurrence.meeting
    meeting.version += 1
    if meeting.rrule is None:
        meeting.cancelled_at = now
        return
    session.merge(
        MeetingException(
            meeting_id=meeting.id,
            starts_local=original_of(occurrence.id).isoformat(),
            moved_to=None,
            reason=reason,
        )
    )


async def cancel_meeting(controller: Controller, who: Actor, meeting_id: str) -> None:
    """Call off a meeting and every occurrence of it that is not over; one that runs is closed."""
    now = controller.now()

    def change(session: Session) -> list[Letter]:
        meeting = meeting_for(session, who, meeting_id)
        need_whole_meeting(who, meeting)
        if meeting.cancelled_at is not None:
            return []
        meeting.cancelled_at = now
        meeting.version += 1
        open_ones = select(Occurrence).where(
            Occurrence.meeting_id == meeting_id, Occurrence.finished_at.is_(None)
        )
        for occurrence in session.scalars(open_ones):
            occurrence.closed_at = occurrence.finished_at = now
        session.flush()
        title = {"title": meeting.title}
        record(session, who, now, "meeting.cancel", f"meeting:{meeting_id}", before=title)
        return renew_schedule(session, controller.settings, now, units_at(session, meeting.site_ids))

    controller.send(await controller.write(change))
    controller.news.tell("schedule", meeting=meeting_id)
