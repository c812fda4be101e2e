"""The page of a meeting: who is in, who is missing, who speaks; and what a secretary does there."""

from __future__ import annotations

import io
from typing import Any

import segno
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from markupsafe import Markup

from ..actions.chair_link import chair_link, renew_chair_link
from ..actions.close_meeting import close_meeting
from ..actions.controller import Controller
from ..actions.extend_meeting import extend_meeting
from ..actions.find_occurrence import find_occurrence
from ..actions.scope import need_main_site
from ..api.access import Core
from ..api.floor import read_meeting
from ..rules.actor import Actor, Role
from ..rules.refusals import Conflict, Invalid
from .access import SecretaryPage, ViewerPage
from .floor_part import SHOWS, answer_part, change, floor_values, found
from .form import form
from .mistakes import sentence
from .page import for_htmx, redirect, render, words_of

router = APIRouter(include_in_schema=False)

_ROWS = 60  # so many halls at once; a search finds the others


@router.get("/meetings/{meeting}")
def meeting_page(request: Request, core: Core, who: ViewerPage, meeting: str) -> Response:
    """The whole page."""
    return render(request, "meeting/page.html", **_values(core, who, meeting, request.query_params))


@router.get("/meetings/{meeting}/now")
def meeting_now_part(request: Request, core: Core, who: ViewerPage, meeting: str) -> Response:
    """Who speaks, who waits, how many are in."""
    return _part(request, core, who, meeting, request.query_params)


@router.get("/meetings/{meeting}/halls")
def meeting_halls_part(request: Request, core: Core, who: ViewerPage, meeting: str) -> Response:
    """Its halls, those that are looked for."""
    values = _values(core, who, meeting, request.query_params)
    return answer_part(request, "meeting/_halls.html", values, "halls-seen", request.query_params)


@router.post("/meetings/{meeting}/floor")
async def post_floor(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """A button of the floor."""
    sent = await form(request)
    await change(core, who, meeting, sent)
    if for_htmx(request):
        return await run_in_threadpool(_part, request, core, who, meeting, sent.values)
    return redirect(f"/meetings/{meeting}")


@router.post("/meetings/{meeting}/extend")
async def post_extension(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """Let it last longer."""
    words, sent = words_of(request), await form(request)
    minutes = int(sent["minutes"]) if sent["minutes"].isdecimal() and len(sent["minutes"]) < 5 else 0
    try:
        ends_at = await extend_meeting(core, who, meeting, minutes)
    except (Conflict, Invalid) as error:
        return redirect(f"/meetings/{meeting}", sentence(words, error), "bad")
    return redirect(f"/meetings/{meeting}", words("meeting.extended", time=words.time(ends_at)))


@router.get("/meetings/{meeting}/close")
def close_page(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """Asks once more."""
    values = _values(core, who, meeting, {})
    if not values["may_floor"]:
        return redirect(values["base"])
    return render(request, "meeting/close.html", **values)


@router.post("/meetings/{meeting}/close")
async def post_close(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """End it for everybody."""
    closed = await close_meeting(core, who, meeting)
    return redirect(f"/meetings/{closed}", words_of(request)("meeting.closed"))


@router.get("/meetings/{meeting}/chair-link")
def chair_link_page(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """The link for the chair, as address and as a code for a phone."""
    with core.database.read() as session:
        occurrence = find_occurrence(session, who, meeting, core.now())
        need_main_site(who, occurrence.meeting)
        url = chair_link(core, occurrence)
    return render(
        request,
        "meeting/chair_link.html",
        occurrence=occurrence,
        base=f"/meetings/{occurrence.id}",
        url=url,
        qr=qr_code(url) if url else "",
    )


@router.post("/meetings/{meeting}/chair-link")
async def post_chair_link(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """Make a new link; the earlier one is worth nothing from now on."""
    occurrence = await renew_chair_link(core, who, meeting)
    return redirect(f"/meetings/{occurrence.id}/chair-link", words_of(request)("meeting.chair_made"))


def qr_code(text: str) -> Markup:
    """A QR code as SVG that takes the size of its place."""
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(
        out, kind="svg", border=2, omitsize=True, xmldecl=False, svgns=False, dark="#17222c", light="#fff"
    )
    return Markup(out.getvalue().decode())


def _part(request: Request, core: Controller, who: Actor, meeting: str, query: Any) -> Response:
    values = _values(core, who, meeting, query)
    return answer_part(request, "meeting/_now.html", values, "seen", query)


def _values(core: Controller, who: Actor, meeting: str, query: Any) -> dict[str, Any]:
    with core.database.read() as session:
        now = read_meeting(core, session, who, meeting)
    text, show = query.get("q", ""), query.get("show", "all")
    show = show if show in SHOWS else "all"
    may_floor = who.may(Role.SECRETARY) and who.sees(now.occurrence.meeting.main_site_id)
    halls = found(now.halls, text, show)
    everything = query.get("all") == "1"
    return {
        **floor_values(now, f"/meetings/{now.occurrence.id}", may_floor=may_floor),
        "may_report": who.may(Role.SECRETARY),
        "halls": halls if everything else halls[:_ROWS],
        "left_out": 0 if everything else max(0, len(halls) - _ROWS),
        "everything": everything,
        "q": text,
        "show": show,
        "shows": SHOWS,
    }
