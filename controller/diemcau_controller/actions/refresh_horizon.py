"""Keep the next 30 days expanded into occurrences, and the units' schedules true to them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from ..config import Settings
from ..rules.schedule import HORIZON, expand, to_local
from ..store.tables import Meeting, Occurrence
from .controller import Controller, Letter
from .desired import renew_schedule
from .occurrences import new_occurrence
from .plan_of import plan_of


async def refresh_horizon(controller: Controller) -> None:
    """Expand what came within the horizon and tell the units whose schedule changed."""
    controller.send(
        await controller.write(lambda session: extend(session, controller.settings, controller.now()))
    )


def extend(session: Session, settings: Settings, now: datetime) -> list[Letter]:
    """The part of :func:`refresh_horizon` inside a transaction."""
    known = set(session.scalars(select(Occurrence.id).where(Occurrence.cap_at > now)))
    lately = to_local(now - timedelta(days=3), settings.zone).isoformat()
    announced = (
        select(Meeting)
        .options(selectinload(Meeting.exceptions))
        .where(Meeting.cancelled_at.is_(None))
        .where(Meeting.rrule.is_not(None) | (Meeting.starts_local >= lately) | Meeting.exceptions.any())
    )
    for meeting in session.scalars(announced):
        for time in expand(plan_of(meeting), settings.zone, now, now + HORIZON):
            if time.id not in known and session.get(Occurrence, time.id) is None:
                session.add(new_occurrence(meeting, time))
    session.flush()
    return renew_schedule(session, settings, now)
