"""Let a meeting that runs last longer."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Conflict, Invalid
from ..rules.schedule import LONGEST
from ..store.tables import Invitation, Meeting, Occurrence
from .audit import record
from .change_floor import need_open
from .controller import Controller, Letter
from .desired import renew_schedule, units_at
from .find_occurrence import find_occurrence
from .scope import need_main_site

MOST_MINUTES = 480


async def extend_meeting(controller: Controller, who: Actor, occurrence_id: str, minutes: int) -> datetime:
    """Move the end by so many minutes (1 to 480): from the announced end, or from now where that has passed.

    Gives the new end. What may overrun it stays as long. Raises :class:`Conflict` when a hall has another
    meeting before it, and when the meeting is not open.
    """
    now = controller.now()
    if not 1 <= minutes <= MOST_MINUTES:
        raise Invalid(
            f"a meeting is extended by 1 to {MOST_MINUTES} minutes",
            code="meetings.extend_minutes",
            field="minutes",
            most=MOST_MINUTES,
        )

    def change(session: Session) -> tuple[Occurrence, list[Letter]]:
        occurrence = find_occurrence(session, who, occurrence_id, now)
        need_main_site(who, occurrence.meeting)
        need_open(occurrence, now)
        before = occurrence.ends_at
        after = max(before, now.replace(microsecond=0)) + timedelta(minutes=minutes)
        if after - occurrence.starts_at > LONGEST:
            raise Invalid(
                "the meeting would last longer than 24 hours: announce another one for the next day",
                code="meetings.extend_too_long",
                field="minutes",
            )
        _need_free_halls(session, controller, occurrence, after)
        occurrence.cap_at += after - before
        occurrence.ends_at = after
        record(
            session,
            who,
            now,
            "meeting.extend",
            f"meeting:{occurrence.id}",
            before={"ends_at": before.isoformat()},
            after={"ends_at": after.isoformat()},
        )
        session.flush()
        units = units_at(session, occurrence.meeting.site_ids)
        return occurrence, renew_schedule(session, controller.settings, now, units)

    occurrence, letters = await controller.write(change)
    controller.send(letters)
    controller.news.tell("schedule", meeting=occurrence.id)
    return occurrence.ends_at


def _need_free_halls(
    session: Session, controller: Controller, occurrence: Occurrence, until: datetime
) -> None:
    """No hall of this meeting has another one that begins before `until`."""
    ours = select(Invitation.site_id).where(Invitation.meeting_id == occurrence.meeting_id)
    theirs = (
        select(Occurrence)
        .join(Meeting)
        .where(Meeting.cancelled_at.is_(None), Occurrence.finished_at.is_(None))
        .where(Occurrence.id != occurrence.id)
        .where(Occurrence.starts_at < until, Occurrence.ends_at > occurrence.ends_at)
        .where(
            select(Invitation)
            .where(Invitation.meeting_id == Occurrence.meeting_id, Invitation.site_id.in_(ours))
            .exists()
        )
        .order_by(Occurrence.starts_at)
    )
    other = session.scalars(theirs).first()
    if other is not None:
        local = other.starts_at.astimezone(controller.settings.zone)
        raise Conflict(
            f"halls of this meeting are in “{other.meeting.title}” from {local:%H:%M} on: "
            "extend it less, or move that meeting",
            code="meetings.extend_conflict",
            field="minutes",
            title=other.meeting.title,
            time=f"{local:%H:%M}",
        )
