"""The pages: rendered here, kept live by fetching a part of themselves again; no other origin is used."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.middleware.gzip import GZipMiddleware

from ..actions.compose_report import Report, report_of
from ..actions.controller import Controller
from ..actions.find_occurrence import find_occurrence
from ..api.access import Core
from . import board, chair, failures, hall, live, login, meeting, urgent
from .access import ViewerPage
from .assets import asset, asset_text
from .environment import templates
from .page import render, words_of
from .static_files import PageFiles
from .tiles import report_part
from .words import Words

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add pages, live streams and static files to the application; raises NotBuilt when these are missing."""
    asset("app.js")
    for part in (
        router,
        board.router,
        live.router,
        login.router,
        meeting.router,
        chair.router,
        urgent.router,
    ):
        app.include_router(part)
    hall.install(app)
    failures.install(app)
    app.mount("/static", PageFiles(), name="static")
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)


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
