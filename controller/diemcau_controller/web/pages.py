"""The pages: rendered here, kept live by fetching a part of themselves again; no other origin is used."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from sqlalchemy import select
from starlette.middleware.gzip import GZipMiddleware

from ..actions.compose_report import Report, report_of
from ..actions.controller import Controller
from ..actions.find_occurrence import find_occurrence
from ..api.access import Core
from ..api.views import View, attendance_view, current_occurrences, site_views
from ..rules.actor import Actor
from ..rules.schedule import HORIZON
from ..store.tables import EventRow
from . import chair, failures, live, login, meeting
from .access import ViewerPage
from .assets import asset, asset_text
from .environment import templates
from .page import render, words_of
from .static_files import PageFiles
from .tiles import event_line, meeting_part, report_part, site_tile, sort_worst_first
from .words import Words

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add pages, live streams and static files to the application; raises NotBuilt when these are missing."""
    asset("app.js")
    for part in (router, live.router, login.router, meeting.router, chair.router):
        app.include_router(part)
    failures.install(app)
    app.mount("/static", PageFiles(), name="static")
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)


@router.get("/")
def board(request: Request, core: Core, who: ViewerPage) -> Response:
    """Every site, worst first, and the meeting that runs or comes next."""
    return render(request, "board.html", **_board(request, core, who))


@router.get("/fragments/board")
def board_part(request: Request, core: Core, who: ViewerPage) -> Response:
    """The live part of the board."""
    return render(request, "_board.html", **_board(request, core, who))


@router.get("/reports/{meeting}")
def report(request: Request, core: Core, who: ViewerPage, meeting: str) -> Response:
    """The report of a meeting as it stands."""
    with core.database.read() as session:
        found = report_of(session, who, find_occurrence(session, who, meeting, core.now()), core.now())
    return render(request, "report.html", r=report_part(found, words_of(request)))


def report_file(controller: Controller, found: Report) -> str:
    """A report as a page that stands alone, in the coordinator's language."""
    settings = controller.settings
    words = Words(settings.language, settings.zone, controller.now())
    return templates.get_template("report.html").render(
        words=words,
        office=settings.coordinator.name,
        frame="standalone.html",
        style=asset_text("app.css"),
        r=report_part(found, words),
    )


def _board(request: Request, core: Controller, who: Actor) -> View:
    words, now = words_of(request), core.now()
    with core.database.read() as session:
        sites = site_views(session, who)
        occurrences = [
            attendance_view(session, who, row) for row in current_occurrences(session, who, now, HORIZON)
        ]
        newest = select(EventRow).order_by(EventRow.number.desc()).limit(12)
        if who.sites is not None:
            newest = newest.where(EventRow.site.in_(who.sites))
        rows = session.scalars(newest).all()
    names = {site["id"]: site["name"] for site in sites}
    parts = [meeting_part(view, words, now) for view in occurrences]
    main_sites = {part["main_site"] for part in parts}
    speaking = {site for part in parts if part["started"] for site in part["floor"]["speakers"]}
    tiles = sort_worst_first(
        [
            site_tile(site, words, main=site["id"] in main_sites, speaking=site["id"] in speaking)
            for site in sites
        ]
    )
    counts = {tone: sum(tile["tone"] == tone for tile in tiles) for tone in ("bad", "care", "good", "none")}
    counts["good"] += sum(tile["tone"] == "live" for tile in tiles)
    return {
        "sites": tiles,
        "counts": counts,
        "meetings": parts,
        "events": [event_line(row, names, words) for row in rows],
    }
