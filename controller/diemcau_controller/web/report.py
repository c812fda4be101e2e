"""What remains of meetings, on pages: a report, its tables, the people of a hall, a month."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from ..actions.attendees import (
    AttendeeChange,
    AttendeeSpec,
    AttendeeStatus,
    add_attendee,
    attendee_rows,
    attendee_view,
    change_attendee,
    hall_of,
    remove_attendee,
    write_note,
)
from ..actions.compose_report import Report, report_of
from ..actions.controller import Controller
from ..actions.find_occurrence import find_occurrence
from ..actions.list_reports import list_reports, month_totals
from ..api.access import Core
from ..api.attendees import Remark
from ..rules.actor import Actor, Role
from ..rules.month import Month, month_of, read_month
from ..rules.refusals import Refusal
from ..store.tables import ReportNote, Site
from .access import SecretaryPage, ViewerPage
from .assets import asset_text
from .environment import templates
from .form import Form, form
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of
from .report_parts import floor_csv, people_csv, report_part, sites_csv, totals_csv, zalo_text
from .words import Words

router = APIRouter(include_in_schema=False)

_TABLES = {"sites": sites_csv, "people": people_csv, "floor": floor_csv}
_FIELDS = ("name", "position", "status", "stands_for", "reason")

MonthText = Annotated[str, Query(max_length=7)]


@router.get("/reports")
def report_list(
    request: Request,
    core: Core,
    who: ViewerPage,
    month: MonthText = "",
    q: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Meetings of a month that were held."""
    asked = _month(core, month)
    with core.database.read() as session:
        held = list_reports(session, who, asked, q)
    return render(request, "report/list.html", held=held, q=q.strip(), **_months(core, asked))


@router.get("/reports/sites")
def month_list(request: Request, core: Core, who: ViewerPage, month: MonthText = "") -> Response:
    """What a month came to for each site."""
    asked = _month(core, month)
    with core.database.read() as session:
        totals = month_totals(session, who, asked)
    return render(request, "report/totals.html", totals=totals, **_months(core, asked))


@router.get("/reports/sites.csv")
def month_table(request: Request, core: Core, who: ViewerPage, month: MonthText = "") -> Response:
    """The same for a spreadsheet program."""
    asked = _month(core, month)
    with core.database.read() as session:
        totals = month_totals(session, who, asked)
    return _csv(totals_csv(totals, words_of(request)), f"diem-cau-{asked}")


@router.get("/reports/{meeting}")
def moved(who: ViewerPage, meeting: str) -> Response:
    """Where reports were before."""
    return RedirectResponse(f"/meetings/{meeting}/report", 308)


@router.get("/meetings/{meeting}/report")
def report(request: Request, core: Core, who: ViewerPage, meeting: str) -> Response:
    """The report of a meeting as it stands."""
    found = _report(core, who, meeting)
    return render(
        request,
        "report/report.html",
        r=report_part(found, words_of(request)),
        zalo=zalo_text(found, core.settings.zone, core.now()),
        edit=who.may(Role.SECRETARY),
        alone=False,
    )


@router.get("/meetings/{meeting}/report.csv")
def report_table(
    request: Request,
    core: Core,
    who: ViewerPage,
    meeting: str,
    table: Literal["sites", "people", "floor"] = "sites",
) -> Response:
    """A part of the report for a spreadsheet program."""
    found = _report(core, who, meeting)
    return _csv(_TABLES[table](found, words_of(request)), f"{found['meeting']}-{table}")


@router.get("/meetings/{meeting}/report/{site}")
def hall(
    request: Request, core: Core, who: SecretaryPage, meeting: str, site: str, edit: str = ""
) -> Response:
    """The people of a hall, to enter and correct."""
    return render(request, "report/hall.html", **_hall(core, who, meeting, site, edit))


@router.post("/meetings/{meeting}/report/{site}/people")
async def post_person(request: Request, core: Core, who: SecretaryPage, meeting: str, site: str) -> Response:
    """Add somebody."""
    sent, words = await form(request), words_of(request)
    try:
        spec = AttendeeSpec.model_validate({name: sent[name] for name in _FIELDS})
        await add_attendee(core, who, meeting, site, spec)
    except (Refusal, ValidationError) as error:
        return await _again(request, core, who, meeting, site, sent, mistakes(words, error))
    return redirect(f"/meetings/{meeting}/report/{site}", words("report.person_added", name=spec.name))


@router.post("/meetings/{meeting}/report/{site}/people/{person}")
async def post_change(
    request: Request, core: Core, who: SecretaryPage, meeting: str, site: str, person: str
) -> Response:
    """Correct somebody."""
    sent, words = await form(request), words_of(request)
    try:
        change = AttendeeChange.model_validate({name: sent[name] for name in _FIELDS})
        await change_attendee(core, who, person, change, site=site)
    except (Refusal, ValidationError) as error:
        return await _again(request, core, who, meeting, site, sent, mistakes(words, error), person)
    return redirect(f"/meetings/{meeting}/report/{site}", words("report.person_changed", name=change.name))


@router.post("/meetings/{meeting}/report/{site}/people/{person}/remove")
async def post_removal(
    request: Request, core: Core, who: SecretaryPage, meeting: str, site: str, person: str
) -> Response:
    """Strike somebody."""
    await remove_attendee(core, who, person, site=site)
    return redirect(f"/meetings/{meeting}/report/{site}", words_of(request)("report.person_removed"))


@router.post("/meetings/{meeting}/report/{site}/note")
async def post_note(request: Request, core: Core, who: SecretaryPage, meeting: str, site: str) -> Response:
    """Remark on the hall's part."""
    sent, words = await form(request), words_of(request)
    try:
        await write_note(core, who, meeting, site, Remark(text=" ".join(sent["note"].split())).text)
    except ValidationError as error:
        wrong = {"note": mistakes(words, error)["text"]}
        return await _again(request, core, who, meeting, site, sent, wrong)
    return redirect(f"/meetings/{meeting}/report/{site}", words("report.note_saved"))


def report_file(controller: Controller, found: Report) -> str:
    """A report as a page that stands alone, in the coordinator's language."""
    settings = controller.settings
    words = Words(settings.language, settings.zone, controller.now())
    return templates.get_template("report/report.html").render(
        words=words,
        office=settings.coordinator.name,
        frame="standalone.html",
        style=asset_text("app.css"),
        r=report_part(found, words),
        edit=False,
        alone=True,
    )


def _report(core: Controller, who: Actor, meeting: str) -> Report:
    with core.database.read() as session:
        return report_of(session, who, find_occurrence(session, who, meeting, core.now()), core.now())


def _hall(
    core: Controller,
    who: Actor,
    meeting: str,
    site: str,
    edit: str = "",
    values: dict[str, str] | None = None,
    errors: Mistakes | None = None,
) -> dict[str, Any]:
    with core.database.read() as session:
        occurrence = hall_of(session, who, find_occurrence(session, who, meeting, core.now()), site)
        people = [attendee_view(row) for row in attendee_rows(session, occurrence, site)]
        note = session.get(ReportNote, (occurrence.id, site))
        known = next((one for one in people if one["id"] == edit), {})
        return {
            "occurrence": occurrence,
            "meeting": occurrence.meeting,
            "site": session.get_one(Site, site),
            "people": people,
            "note": note.text if note is not None else "",
            "statuses": [status.value for status in AttendeeStatus],
            "edit": edit if known else "",
            "values": values if values is not None else known,
            "errors": errors or {},
        }


async def _again(
    request: Request,
    core: Controller,
    who: Actor,
    meeting: str,
    site: str,
    sent: Form,
    wrong: Mistakes,
    person: str = "",
) -> Response:
    """The hall's page with what was typed and what is wrong with it."""
    values = await asyncio.to_thread(_hall, core, who, meeting, site, person, sent.values, wrong)
    return render(request, "report/hall.html", 422, **values)


def _month(core: Controller, text: str) -> Month:
    zone = core.settings.zone
    return read_month(text, zone) if text else month_of(core.now(), zone)


def _months(core: Controller, month: Month) -> dict[str, Any]:
    """The month and its neighbours; none after the present one."""
    later = month.after if month.ends <= core.now() else None
    return {"month": month, "month_before": month.before, "month_after": later}


def _csv(text: str, name: str) -> Response:
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"},
    )
