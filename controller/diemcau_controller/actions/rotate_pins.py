"""New PINs for the meetings a unit knew the way into, when it is not to know it any more."""

from __future__ import annotations

from datetime import datetime

from diemcau_wire.topics import Channel
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..store.tables import Desired, Invitation, Occurrence, Unit
from .controller import Letter
from .desired import renew_schedule, units_at
from .tokens import new_pin


def rotate_pins(session: Session, settings: Settings, now: datetime, unit: Unit) -> list[Letter]:
    """Give every meeting in the unit's schedule that is not over another PIN, and tell all its halls.

    The service that keeps the rooms changes the PIN of a room that exists; who is inside stays. Call it
    before the unit's own schedule is renewed: that one says what the unit knew.
    """
    row = session.get(Desired, (unit.id, Channel.DESIRED_SCHEDULE.value))
    if row is None:
        return []
    known = [meeting["id"] for meeting in row.document.get("meetings", ()) if "join" in meeting]
    meetings: set[str] = set()
    still = select(Occurrence).where(
        Occurrence.id.in_(known), Occurrence.finished_at.is_(None), Occurrence.cap_at > now
    )
    for occurrence in session.scalars(still):
        occurrence.pin = new_pin()
        occurrence.room_made = False  # so that the room is looked at again
        meetings.add(occurrence.meeting_id)
    if not meetings:
        return []
    session.flush()
    sites = select(Invitation.site_id).where(Invitation.meeting_id.in_(meetings)).distinct()
    others = [one for one in units_at(session, session.scalars(sites)) if one.id != unit.id]
    return renew_schedule(session, settings, now, others)
