"""Log in by an account of another system: there and back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from ..actions.controller import Controller
from ..actions.openid import accounts_of, begin, come_back, configured
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.refusals import Refusal
from .access import KeyedContractorPage, address_of, set_session
from .mistakes import sentence
from .page import local_path, redirect, render, words_of

router = APIRouter(include_in_schema=False)

_COOKIE = "__Host-diemcau-openid"
_LONGEST = 2000

Text = Annotated[str, Query(max_length=_LONGEST)]


@router.get("/openid/start")
async def start(request: Request, core: Core, next: Text = "/") -> Response:
    """Send the browser to the other system."""
    try:
        way = await begin(core, local_path(next))
    except Refusal as error:
        return redirect("/login", sentence(words_of(request), error), "bad")
    answer = RedirectResponse(way.url, 303, {"Cache-Control": "no-store"})
    _remember(answer, way.browser)
    return answer


@router.get("/openid/back")
async def back(request: Request, core: Core, state: Text = "", code: Text = "") -> Response:
    """Whoever comes back from there."""
    browser = request.cookies.get(_COOKIE, "")[:_LONGEST]
    try:
        found = await come_back(core, state, code, browser, address_of(request))
    except Refusal as error:
        answer = redirect("/login", sentence(words_of(request), error), "bad")
    else:
        if found.secret is None:
            answer = redirect("/account", words_of(request)("openid.connected"))
        else:
            answer = redirect(found.goes_to)
            set_session(answer, found.secret)
    answer.delete_cookie(_COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


@router.post("/account/openid")
async def post_connect(request: Request, core: Core, who: KeyedContractorPage) -> Response:
    """Connect an account elsewhere with one's own. The way there is a link: forms may not lead away."""
    way = await begin(core, "/account", who)
    answer = render(request, "login/openid.html", url=way.url)
    _remember(answer, way.browser)
    return answer


def openid_part(core: Controller, who: Actor | None = None) -> dict[str, Any]:
    """What log-in and account page say of it: the button's text, and whether `who` is connected already."""
    if not configured(core):
        return {"openid": None}
    connected = False
    if who is not None:
        with core.database.read() as session:
            connected = bool(accounts_of(session, who.name))
    return {"openid": {"label": core.settings.openid.label, "connected": connected}}


def _remember(answer: Response, browser: str) -> None:
    answer.set_cookie(_COOKIE, browser, max_age=600, httponly=True, secure=True, samesite="lax")
