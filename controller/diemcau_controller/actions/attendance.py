"""Attendance of an occurrence, read from the events of its sites' units."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.attendance import Attendance, Step, attendance
from ..store.tables import EventRow, Occurrence


def attendance_of(session: Session, occurrence: Occurrence) -> dict[str, Attendance]:
    """For each invited site its presence, in the order of the invitation."""
    steps: dict[str, list[Step]] = {site: [] for site in occurrence.meeting.site_ids}
    for row in session.scalars(
        select(EventRow)
        .where(EventRow.meeting == occurrence.id)
        .where(EventRow.kind.in_(("joined", "rejoined", "dropped", "left")))
        .order_by(EventRow.at, EventRow.unit, EventRow.stream, EventRow.seq)
    ):
        if row.site in steps:
            steps[row.site].append(Step(row.at, row.kind))
    return {site: attendance(found) for site, found in steps.items()}
