"""Attendance of an occurrence, read from the events of its sites' units."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.attendance import Attendance, Step, attendance
from ..store.tables import EventRow, Occurrence, ReportRow


def sites_of(session: Session, occurrence: Occurrence) -> list[str]:
    """The sites of an occurrence: those invited, and those its report names that have left since."""
    reported = select(ReportRow.site_id).where(ReportRow.occurrence_id == occurrence.id)
    return list(dict.fromkeys([*occurrence.meeting.site_ids, *session.scalars(reported)]))


def attendance_of(session: Session, occurrence: Occurrence) -> dict[str, Attendance]:
    """For each of its sites its presence, in the order of the invitation."""
    steps: dict[str, list[Step]] = {site: [] for site in sites_of(session, occurrence)}
    # columns, not rows: a national meeting has ten thousand of them
    for site, kind, at in session.execute(
        select(EventRow.site, EventRow.kind, EventRow.at)
        .where(EventRow.meeting == occurrence.id)
        .where(EventRow.kind.in_(("joined", "rejoined", "dropped", "left")))
        .order_by(EventRow.at, EventRow.unit, EventRow.stream, EventRow.seq)
    ):
        if site in steps:
            steps[site].append(Step(at, kind))
    return {site: attendance(found) for site, found in steps.items()}
