"""The report of a meeting: what each site's part came to, as JSON and as a page."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..rules.actor import SYSTEM, Actor
from ..rules.attendance import Attendance
from ..store.tables import EventRow, Occurrence, ReportRow, Site
from .attendance import attendance_of
from .controller import Controller

Report = dict[str, Any]

LAST_WORDS = timedelta(seconds=3)  # events of leaving are on their way when a meeting ends
PATIENCE = timedelta(seconds=30)  # for sites that have not said that they left


def report_of(session: Session, who: Actor, occurrence: Occurrence, now: datetime) -> Report:
    """The report as it stands now, of the sites in scope; `final` once the meeting is over."""
    meeting = occurrence.meeting
    known = attendance_of(session, occurrence)
    end = occurrence.finished_at or min(now, occurrence.cap_at)
    names = {row.id: row.name for row in session.scalars(select(Site).where(Site.id.in_(known)))}
    kinds: dict[str, Counter[str]] = {}
    for site, kind in session.execute(
        select(EventRow.site, EventRow.kind).where(EventRow.meeting == occurrence.id)
    ):
        kinds.setdefault(site or "", Counter())[kind] += 1
    return {
        "meeting": occurrence.id,
        "meeting_id": meeting.id,
        "title": meeting.title,
        "kind": meeting.kind,
        "main_site": meeting.main_site_id,
        "opens_at": _text(occurrence.opens_at),
        "starts_at": _text(occurrence.starts_at),
        "ends_at": _text(occurrence.ends_at),
        "finished_at": _text(occurrence.finished_at),
        "closed": occurrence.closed_at is not None,
        "final": occurrence.finished_at is not None,
        "sites": [
            _site(site, names[site], attendance, kinds.get(site, Counter()), end)
            for site, attendance in known.items()
            if who.sees(site)
        ],
    }


async def write_due_reports(controller: Controller, render: Callable[[Report], str]) -> None:
    """Write every report that is due: of meetings just over, and of those about which more came to light."""
    now = controller.now()
    with controller.database.read() as session:
        over = session.scalars(
            select(Occurrence).where(Occurrence.finished_at.is_not(None), Occurrence.reported_at.is_(None))
        ).all()
        due = [occurrence.id for occurrence in over if _due(session, occurrence, now)]
    for occurrence_id in due:
        await write_report(controller, occurrence_id, render)


async def write_report(controller: Controller, occurrence_id: str, render: Callable[[Report], str]) -> Report:
    """Write one report to `reports/` and to the database; gives it."""

    def change(session: Session) -> Report:
        occurrence = session.get_one(Occurrence, occurrence_id)
        report = report_of(session, SYSTEM, occurrence, controller.now())
        session.execute(delete(ReportRow).where(ReportRow.occurrence_id == occurrence_id))
        session.add_all(
            ReportRow(occurrence_id=occurrence_id, site_id=site["id"], document=site)
            for site in report["sites"]
        )
        occurrence.reported_at = controller.now()
        html, document = report_files(controller, occurrence_id)
        _write(document, json.dumps(report, ensure_ascii=False, indent=2) + "\n")
        _write(html, render(report))
        return report

    report = await controller.write(change)
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


def _site(site: str, name: str, known: Attendance, kinds: Counter[str], end: datetime) -> Report:
    return {
        "id": site,
        "name": name,
        "joined": known.joined,
        "first_joined_at": _text(known.intervals[0].since) if known.joined else None,
        "left": known.left,
        "present_s": round(known.total(end).total_seconds(), 1),
        "drop_outs": known.drop_outs,
        "intervals": [{"since": _text(i.since), "until": _text(i.until)} for i in known.intervals],
        "floor_taken": kinds["floor_taken"],
        "join_failed": kinds["join_failed"],
        "faults": {
            kind: kinds[kind] for kind in ("camera_lost", "microphone_lost", "process_ended") if kinds[kind]
        },
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
