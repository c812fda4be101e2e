"""What remains of meetings: the report of one, those of a month, and what the month came to by site."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ..actions.compose_report import report_of
from ..actions.find_occurrence import find_occurrence
from ..actions.list_reports import list_reports, month_totals
from ..actions.write_report import report_files
from ..rules.month import Month, month_of, read_month
from .access import Core, Viewer
from .answers import answers
from .views import View

router = APIRouter(tags=["reports"])

MonthText = Annotated[str | None, Query(max_length=7, description="2026-03; the present one if absent")]


@router.get("/meetings/{meeting}/report", responses=answers(404))
def get_report(core: Core, who: Viewer, meeting: str) -> View:
    """The report as it stands; `final` once the meeting is over, `files` once it is written."""
    with core.database.read() as session:
        occurrence = find_occurrence(session, who, meeting, core.now())
        report = report_of(session, who, occurrence, core.now())
        html, document = report_files(core, occurrence.id)
        # the written files hold every site: whoever is bound to some reads the report here
        written = occurrence.reported_at is not None and html.exists() and who.sites is None
        report["files"] = {"html": str(html), "json": str(document)} if written else None
        return report


@router.get("/reports", responses=answers(422))
def get_reports(
    core: Core, who: Viewer, month: MonthText = None, q: Annotated[str, Query(max_length=100)] = ""
) -> list[View]:
    """Meetings of a month that were held, newest first; `q` is looked for in titles."""
    with core.database.read() as session:
        return list_reports(session, who, _month(core, month), q)


@router.get("/reports/sites", responses=answers(422))
def get_month_totals(core: Core, who: Viewer, month: MonthText = None) -> list[View]:
    """For each site: how many meetings, how often absent, how long present in all."""
    with core.database.read() as session:
        return month_totals(session, who, _month(core, month))


def _month(core: Core, text: str | None) -> Month:
    zone = core.settings.zone
    return month_of(core.now(), zone) if text is None else read_month(text, zone)
