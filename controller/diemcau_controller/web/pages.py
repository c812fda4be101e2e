"""The pages: rendered here, kept live by fetching a part of themselves again; no other origin is used."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from starlette.middleware.gzip import GZipMiddleware

from ..actions.add_user import holder_of
from ..actions.change_floor import FloorVerb, change_floor
from ..actions.close_meeting import close_meeting
from ..actions.compose_report import Report, report_of
from ..actions.controller import Controller
from ..actions.find_occurrence import find_occurrence
from ..api.access import COOKIE, Core, Secretary, controller_of, identify
from ..api.views import View, attendance_view, current_occurrences, site_views
from ..rules.actor import Actor, Role
from ..rules.refusals import NotFound
from ..rules.schedule import HORIZON
from ..store.tables import EventRow, Site
from . import live
from .assets import asset, asset_text
from .environment import templates
from .static_files import PageFiles
from .tiles import event_line, meeting_part, report_part, site_tile, sort_worst_first
from .words import LANGUAGES, Words

_LANGUAGE = "diemcau_language"
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_COOKIE_DAYS = 30

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add pages, live streams and static files to the application; raises NotBuilt when these are missing."""
    asset("app.js")
    app.include_router(router)
    app.include_router(live.router)
    app.mount("/static", PageFiles(), name="static")
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)

    @app.exception_handler(_NeedsToken)
    async def needs_token(request: Request, error: _NeedsToken) -> HTMLResponse:
        words = _words(request)
        hint = words("page.wrong_token") if error.wrong else words("page.no_access_next")
        return _page(request, "message.html", 401, title=words("page.no_access"), next=hint, ask_token=True)


class _NeedsToken(Exception):
    """Somebody we do not know wants to see a page."""

    def __init__(self, *, wrong: bool = False) -> None:
        self.wrong = wrong


@router.get("/")
def board(request: Request, core: Core, token: str | None = None) -> Response:
    """Every site, worst first, and the meeting that runs or comes next."""
    if token is not None:
        return _let_in(request, core, token)
    return _page(request, "board.html", **_board(request, core, _reader(request)))


@router.get("/fragments/board")
def board_part(request: Request, core: Core) -> Response:
    """The live part of the board."""
    return _page(request, "_board.html", **_board(request, core, _reader(request)))


@router.get("/meetings/{meeting}")
def meeting(request: Request, core: Core, meeting: str) -> Response:
    """One meeting: who is in, who has the floor."""
    return _meeting(request, core, meeting, "meeting.html")


@router.get("/fragments/meetings/{meeting}")
def meeting_fragment(request: Request, core: Core, meeting: str) -> Response:
    """The live part of a meeting."""
    return _meeting(request, core, meeting, "_meeting.html")


@router.post("/fragments/meetings/{meeting}/floor")
async def floor(
    request: Request,
    core: Core,
    who: Secretary,
    meeting: str,
    verb: Annotated[FloorVerb, Form()],
    site: Annotated[str, Form()] = "",
) -> Response:
    """Who speaks now; answers with the live part."""
    await change_floor(core, who, meeting, verb, site or None)
    return await asyncio.to_thread(_meeting, request, core, meeting, "_meeting.html")


@router.post("/fragments/meetings/{meeting}/close")
async def close(request: Request, core: Core, who: Secretary, meeting: str) -> Response:
    """The meeting ends; answers with the live part."""
    closed = await close_meeting(core, who, meeting)
    return await asyncio.to_thread(_meeting, request, core, closed, "_meeting.html")


@router.get("/reports/{meeting}")
def report(request: Request, core: Core, meeting: str) -> Response:
    """The report of a meeting as it stands."""
    who = _reader(request)
    with core.database.read() as session:
        try:
            found = report_of(session, who, find_occurrence(session, who, meeting, core.now()), core.now())
        except NotFound:
            return _missing(request)
    return _page(request, "report.html", r=report_part(found, _words(request)))


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
    words, now = _words(request), core.now()
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


def _meeting(request: Request, core: Controller, meeting: str, template: str) -> Response:
    who = _reader(request)
    words = _words(request)
    with core.database.read() as session:
        try:
            view = attendance_view(session, who, find_occurrence(session, who, meeting, core.now()))
        except NotFound:
            return _missing(request)
        names = {site: name for site, name in session.execute(select(Site.id, Site.name))}
        rows = session.scalars(
            select(EventRow).where(EventRow.meeting == view["id"]).order_by(EventRow.number.desc()).limit(30)
        ).all()
    return _page(
        request,
        template,
        m=meeting_part(view, words, core.now()),
        operator=who.may(Role.SECRETARY),
        events=[event_line(row, names, words) for row in rows],
    )


def _reader(request: Request) -> Actor:
    known = identify(request)
    if known is None:
        raise _NeedsToken
    return known.who


def _let_in(request: Request, core: Controller, token: str) -> Response:
    """Turn a token in the address into a cookie, so that the address stays clean."""
    with core.database.read() as session:
        known = holder_of(session, token.strip())
    if known is None:
        raise _NeedsToken(wrong=True)
    answer = RedirectResponse("/", 303, {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})
    answer.set_cookie(
        COOKIE, token.strip(), max_age=_COOKIE_DAYS * 86400, httponly=True, secure=True, samesite="strict"
    )
    return answer


def _missing(request: Request) -> HTMLResponse:
    words = _words(request)
    title, after = words("page.not_found"), words("page.not_found_next")
    return _page(request, "message.html", 404, title=title, next=after, ask_token=False)


def _page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    core = controller_of(request)
    words, known = _words(request), identify(request)
    text = templates.get_template(template).render(
        words=words,
        office=core.settings.coordinator.name,
        actor=known.who if known else None,
        csrf=known.csrf if known else "",
        **values,
    )
    answer = HTMLResponse(text, status, _HEADERS)
    if request.query_params.get("lang") in LANGUAGES:
        answer.set_cookie(_LANGUAGE, words.language, max_age=365 * 86400, samesite="strict", secure=True)
    return answer


def _words(request: Request) -> Words:
    core = controller_of(request)
    asked = request.query_params.get("lang") or request.cookies.get(_LANGUAGE) or core.settings.language
    return Words(asked if asked in LANGUAGES else core.settings.language, core.settings.zone, core.now())
