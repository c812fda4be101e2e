"""The chair's page: the floor of one meeting on a phone, for whoever holds its link."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ..actions.chair_link import chair_of
from ..actions.controller import Controller
from ..api.access import Core
from ..api.floor import read_meeting
from ..rules.actor import Actor
from .floor_part import answer_part, change, floor_values, found
from .form import form
from .page import for_htmx, redirect, render

router = APIRouter(include_in_schema=False)

_AT_ONCE = 24  # so few halls are listed without a search
_FOUND = 20


@router.get("/chair/{meeting}/{token}")
def chair_page(request: Request, core: Core, meeting: str, token: str) -> Response:
    """The whole page."""
    return render(request, "meeting/chair.html", **_values(core, meeting, token, request.query_params))


@router.get("/chair/{meeting}/{token}/now")
def chair_now_part(request: Request, core: Core, meeting: str, token: str) -> Response:
    """Who speaks, who waits."""
    return _now(request, core, meeting, token, request.query_params)


@router.get("/chair/{meeting}/{token}/halls")
def chair_halls_part(request: Request, core: Core, meeting: str, token: str) -> Response:
    """The halls that are found."""
    values = _values(core, meeting, token, request.query_params)
    return answer_part(request, "meeting/_chair_halls.html", values, "halls-seen", request.query_params)


@router.post("/chair/{meeting}/{token}/floor")
async def post_floor(request: Request, core: Core, meeting: str, token: str) -> Response:
    """A button of the floor."""
    sent = await form(request)
    await change(core, await run_in_threadpool(_who, core, meeting, token), meeting, sent)
    if for_htmx(request):
        return await run_in_threadpool(_now, request, core, meeting, token, sent.values)
    return redirect(f"/chair/{meeting}/{token}")


def _now(request: Request, core: Controller, meeting: str, token: str, query: Any) -> Response:
    values = _values(core, meeting, token, query)
    return answer_part(request, "meeting/_chair_now.html", values, "seen", query)


def _who(core: Controller, meeting: str, token: str) -> Actor:
    with core.database.read() as session:
        return chair_of(core, session, meeting, token)


def _values(core: Controller, meeting: str, token: str, query: Any) -> dict[str, Any]:
    with core.database.read() as session:
        who = chair_of(core, session, meeting, token)
        now = read_meeting(core, session, who, meeting)
    text = query.get("q", "")
    listed = now.halls if text or len(now.halls) <= _AT_ONCE else ()
    # Whom the chair can call comes first: here nobody has to be telephoned.
    halls = sorted(found(listed, text), key=lambda hall: (not hall.connected, hall.site.search))
    return {
        **floor_values(now, f"/chair/{now.occurrence.id}/{token}", may_floor=True),
        "halls": halls[:_FOUND] if text else halls,
        "left_out": max(0, len(halls) - _FOUND) if text else len(now.halls) - len(halls),
        "q": text,
        "live_query": f"link={token}&",
    }
