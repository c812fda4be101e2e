"""Keep the next 30 days expanded into occurrences, and the units' schedules true to them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from ..config import Settings
from ..rules.schedule import HORIZON, expand, to_local
from ..store.tables import Invitation, Meeting, Occurrence
from .controller import Controller, Letter
from .desired import renew_schedule, units_at
from .occurrences import new_occurrence
from .plan_of import plan_of


async def refresh_horizon(controller: Controller) -> None:
    """Expand what came within the horizon and tell the units whose schedule changed."""
    now = controller.now()
    day = (now + HORIZON).date()
    everybody = controller.schedules_until != day
    letters = await controller.write(
        lambda session: extend(session, controller.settings, now, everybody=everybody)
    )
    controller.schedules_until = day
    controller.send(letters)


def extend(session: Session, settings: Settings, now: datetime, *, everybody: bool = True) -> list[Letter]:
    """The part of :func:`refresh_horizon` inside a transaction.

    Told are the units of meetings that came within the horizon; `everybody` once a day, as its end moves on.
    """
    known = set(session.scalars(select(Occurrence.id).where(Occurrence.cap_at > now)))
    lately = to_local(now - timedelta(days=3), settings.zone).isoformat()
    announced = (
        select(Meeting)
        .options(selectinload(Meeting.exceptions))
        .where(Meeting.cancelled_at.is_(None))
        .where(Meeting.rrule.is_not(None) | (Meeting.starts_local >= lately) | Meeting.exceptions.any())
    )
    touched: set[str] = set()
    for meeting in session.scalars(announced):
        for time in expand(plan_of(meeting), settings.zone, now, now + HORIZON):
            if time.id not in known and session.get(Occurrence, time.id) is None:
                session.add(new_occurrence(meeting, time))
                touched.add(meeting.id)
    session.flush()
    if everybody:
        return renew_schedule(session, settings, now)
    if not touched:
        return []
    sites = select(Invitation.site_id).where(Invitation.meeting_id.in_(touched)).distinct()
    return renew_schedule(session, settings, now, units_at(session, session.scalars(sites)))
