"""Keep the next 30 days expanded into occurrences, and the units' schedules true to them."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules import floor
from ..rules.schedule import HORIZON, Plan, expand
from ..store.tables import Meeting, Occurrence
from .controller import Controller, Letter
from .desired import renew_schedule


async def refresh_horizon(controller: Controller) -> None:
    """Expand what came within the horizon and tell the units whose schedule changed."""
    controller.send(
        await controller.write(lambda session: extend(session, controller.settings, controller.now()))
    )


def extend(session: Session, settings: Settings, now: datetime) -> list[Letter]:
    """The part of :func:`refresh_horizon` inside a transaction."""
    known = set(session.scalars(select(Occurrence.id).where(Occurrence.cap_at > now)))
    for meeting in session.scalars(select(Meeting).where(Meeting.cancelled_at.is_(None))):
        for time in expand(plan_of(meeting), settings.zone, now, now + HORIZON):
            if time.id not in known:
                session.add(
                    Occurrence(
                        id=time.id,
                        meeting_id=meeting.id,
                        opens_at=time.opens_at,
                        starts_at=time.starts_at,
                        ends_at=time.ends_at,
                        cap_at=time.cap_at,
                        room=secrets.token_hex(8),
                        secret=secrets.token_hex(16),
                        pin=f"{secrets.randbelow(10**12):012}",
                        floor_speakers=list(floor.default(meeting.main_site_id).speakers),
                    )
                )
    session.flush()
    return renew_schedule(session, settings, now)


def plan_of(meeting: Meeting) -> Plan:
    """A stored meeting as the rules see it."""
    return Plan(
        id=meeting.id,
        title=meeting.title,
        starts_local=datetime.fromisoformat(meeting.starts_local),
        duration=timedelta(seconds=meeting.duration_s),
        opens_before=timedelta(seconds=meeting.opens_before_s),
        overrun=timedelta(seconds=meeting.overrun_s),
        rrule=meeting.rrule,
        main_site=meeting.main_site_id,
        sites=tuple(meeting.site_ids),
    )
