"""Which occurrence is meant by an id."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import NotFound
from ..store.tables import Occurrence
from .scope import meeting_for


def find_occurrence(session: Session, who: Actor, given: str, now: datetime) -> Occurrence:
    """The occurrence of that id; for the id of a meeting the one that runs, else the next, else the last.

    Raises :class:`NotFound`, also for a meeting without any site in scope.
    """
    occurrence = session.get(Occurrence, given)
    if occurrence is not None:
        meeting_for(session, who, occurrence.meeting_id)
        return occurrence
    meeting_for(session, who, given)
    of_it = select(Occurrence).where(Occurrence.meeting_id == given)
    upcoming = of_it.where(Occurrence.cap_at > now, Occurrence.finished_at.is_(None))
    occurrence = session.scalars(upcoming.order_by(Occurrence.starts_at)).first()
    occurrence = occurrence or session.scalars(of_it.order_by(Occurrence.starts_at.desc())).first()
    if occurrence is None:
        raise NotFound(
            f"meeting {given} takes place more than 30 days from now: ask again nearer to it",
            code="meetings.far_off",
        )
    return occurrence
