"""Write the report of a meeting that is over: as rows, as JSON and as a page."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..rules.actor import SYSTEM
from ..store.tables import Occurrence, ReportRow
from .attendance import attendance_of
from .compose_report import Report, report_of
from .controller import Controller

LAST_WORDS = timedelta(seconds=3)  # events of leaving are on their way when a meeting ends
PATIENCE = timedelta(seconds=30)  # for sites that have not said that they left
BEGUN_AGAIN = timedelta(days=2)  # so long a report that was begun and never finished is begun again


async def write_due_reports(controller: Controller, render: Callable[[Report], str]) -> None:
    """Write every report that is due: of meetings just over, and of those about which more came to light."""
    now = controller.now()
    written = select(ReportRow.occurrence_id).where(ReportRow.occurrence_id == Occurrence.id).exists()
    with controller.database.read() as session:
        # One that was begun and never finished, because the controller ended, has no rows.
        begun = (Occurrence.cap_at > now - BEGUN_AGAIN) & ~written
        over = session.scalars(
            select(Occurrence).where(
                Occurrence.finished_at.is_not(None), Occurrence.reported_at.is_(None) | begun
            )
        ).all()
        due = [occurrence.id for occurrence in over if _due(session, occurrence, now)]
    for occurrence_id in due:
        await write_report(controller, occurrence_id, render)


async def write_report(controller: Controller, occurrence_id: str, render: Callable[[Report], str]) -> Report:
    """Write one report to `reports/` and to the database; gives it.

    It is composed beside the writer, which others wait for. What changes meanwhile makes it due again.
    """
    now = controller.now()

    def claim(session: Session) -> None:
        session.get_one(Occurrence, occurrence_id).reported_at = now

    def compose() -> Report:
        with controller.database.read() as session:
            report = report_of(session, SYSTEM, session.get_one(Occurrence, occurrence_id), now)
        html, document = report_files(controller, occurrence_id)
        _write(document, json.dumps(report, ensure_ascii=False, indent=2) + "\n")
        _write(html, render(report))
        return report

    def store(session: Session, report: Report) -> None:
        session.execute(delete(ReportRow).where(ReportRow.occurrence_id == occurrence_id))
        session.add_all(
            ReportRow(occurrence_id=occurrence_id, site_id=site["id"], document=site)
            for site in report["sites"]
        )

    def give_up(session: Session) -> None:
        session.get_one(Occurrence, occurrence_id).reported_at = None

    await controller.write(claim)
    try:
        report = await asyncio.to_thread(compose)
        await controller.write(lambda session: store(session, report))
    except Exception:
        await controller.write(give_up)
        raise
    controller.news.tell("report", meeting=occurrence_id)
    return report


def report_files(controller: Controller, occurrence_id: str) -> tuple[Path, Path]:
    """Where the page and the JSON of a report lie."""
    folder = controller.state.reports
    return folder / f"{occurrence_id}.html", folder / f"{occurrence_id}.json"


def _due(session: Session, occurrence: Occurrence, now: datetime) -> bool:
    """A meeting that never opened needs no report; else wait for the last words, but not for ever."""
    finished_at = occurrence.finished_at
    if finished_at is None or finished_at <= occurrence.opens_at or now < finished_at + LAST_WORDS:
        return False
    everybody_left = not any(known.present for known in attendance_of(session, occurrence).values())
    return everybody_left or now >= finished_at + PATIENCE


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
