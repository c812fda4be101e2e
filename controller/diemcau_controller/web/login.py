"""Log in, log out, choose a password by a link."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ..actions.doorkeeper import TooMany
from ..actions.log_in import WrongPassword, log_in
from ..actions.log_out import log_out
from ..actions.login_link import link_holder
from ..actions.set_password import choose_password
from ..api.access import Core, controller_of, identify
from ..rules.passwords import SHORTEST
from ..rules.refusals import Invalid
from .access import ContractorPage, address_of, drop_session, set_session
from .form import form, kept_of
from .mistakes import Mistakes, mistakes
from .openid import openid_part
from .page import local_path, redirect, render, words_of

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=2000)]


@router.get("/login")
async def login(request: Request, core: Core, next: Text = "/", kept: Text = "") -> Response:
    """Ask for name and password."""
    if await run_in_threadpool(identify, request) is not None:
        return _onwards(local_path(next), kept)
    return _login(request, next=next, kept=kept)


@router.post("/login")
async def post_login(request: Request, core: Core) -> Response:
    """Check them; on to where the person was going, or to what was typed when the session ended."""
    sent = await form(request)
    known = {"next": sent["next"], "kept": sent["kept"], "name": sent["name"]}
    missing = {
        name: words_of(request)(f"login.{name}_missing") for name in ("name", "password") if not sent[name]
    }
    if missing:
        return _login(request, 422, **known, errors=missing)
    try:
        secret = await log_in(core, sent["name"], sent["password"], address_of(request))
    except WrongPassword as error:
        return _login(request, 422, **known, errors=mistakes(words_of(request), error))
    except TooMany as error:
        return _login(request, 429, **known, errors=mistakes(words_of(request), error))
    answer = _onwards(local_path(sent["next"]), sent["kept"])
    set_session(answer, secret)
    return answer


@router.post("/logout")
async def post_logout(request: Request, core: Core) -> Response:
    """End this session. That the form comes from a page of ours is enough: it is also sent from old pages."""
    await form(request)
    known = await run_in_threadpool(identify, request)
    if known is not None and known.key:
        await log_out(core, known.who, known.key)
    answer = redirect("/login", words_of(request)("login.logged_out"))
    drop_session(answer)
    return answer


@router.get("/kept")
def kept(request: Request, core: Core, who: ContractorPage, key: Text, go: Text = "") -> Response:
    """Offer once more what was typed when the session ended; with `go` it is sent on without a tap."""
    action = kept_of(request).path(key, core.now())
    if action is None:
        return redirect("/", words_of(request)("login.no_longer_kept"), "care")
    return render(request, "login/kept.html", key=key, action=action, go=bool(go))


@router.get("/enter/{secret}")
def enter(request: Request, core: Core, secret: str) -> Response:
    """Whom a link lets in, and a form for the password. Looking does not use the link up."""
    with core.database.read() as session:
        name = link_holder(session, secret, core.now()).name
    return _enter(request, name)


@router.post("/enter/{secret}")
async def post_enter(request: Request, core: Core, secret: str) -> Response:
    """Choose the password and be logged in."""
    sent, words = await form(request), words_of(request)
    with core.database.read() as session:
        name = link_holder(session, secret, core.now()).name
    if sent["password"] != sent["again"]:
        return _enter(request, name, 422, {"again": words("login.not_the_same")})
    try:
        cookie = await choose_password(core, secret, sent["password"], address_of(request))
    except Invalid as error:
        return _enter(request, name, 422, mistakes(words, error))
    answer = redirect("/", words("login.welcome", name=name))
    set_session(answer, cookie)
    return answer


def _login(
    request: Request,
    status: int = 200,
    *,
    next: str,
    kept: str,
    name: str = "",
    errors: Mistakes | None = None,
) -> Response:
    return render(
        request,
        "login/login.html",
        status,
        next=next,
        kept=kept,
        name=name[:80],
        errors=errors or {},
        **openid_part(controller_of(request)),
    )


def _enter(request: Request, name: str, status: int = 200, errors: Mistakes | None = None) -> Response:
    return render(request, "login/enter.html", status, name=name, shortest=SHORTEST, errors=errors or {})


def _onwards(path: str, kept: str) -> Response:
    return redirect(f"/kept?{urlencode({'key': kept})}" if kept else path)
