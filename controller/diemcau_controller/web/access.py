"""Who may see a page: as in the API, but nobody we know is sent to log in, and what they typed is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session
from starlette.responses import Response

from ..actions.add_user import holder_of
from ..actions.log_in import enter
from ..actions.second_factor import check_key
from ..actions.web_session import LONGEST
from ..api.access import (
    COOKIE,
    CSRF_HEADER,
    Known,
    changes,
    controller_of,
    csrf_fits,
    from_own_page,
    identify,
)
from ..rules.actor import Actor, Role
from ..rules.second_factor import KeyNeeded, NoKey
from ..store.tables import User
from .form import kept_of, read
from .page import came_from, for_htmx, local_path, redirect, words_of


class Elsewhere(Exception):
    """The person goes to another page first."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


class NeedsLogin(Exception):
    """A part of a page is asked for by somebody whose session has ended."""


class RoleTooSmall(Exception):
    """The page is for another role."""


class OldForm(Exception):
    """A form from before the present session; it is kept under `key`."""

    def __init__(self, key: str) -> None:
        self.key = key


def _needs(needed: Role, *, key: bool = False) -> Callable[[Request], Awaitable[Actor]]:
    """Let in who may; with `key` only who, where the office wants it, has just shown a security key."""

    async def check(request: Request) -> Actor:
        if request.method == "GET" and "token" in request.query_params:
            raise Elsewhere(await _enter_by_token(request, request.query_params["token"]))
        known = await run_in_threadpool(identify, request)
        if known is None:
            raise await _to_log_in(request)
        request.state.known = known
        if changes(request):
            await _check_form(request, known)
        if not known.who.may(needed):
            raise RoleTooSmall
        if key:
            await _need_key(request, known)
        return known.who

    return check


async def _need_key(request: Request, known: Known) -> None:
    """Send who must show a security key, or register one, there first; what they typed waits meanwhile."""
    core = controller_of(request)
    try:
        await run_in_threadpool(check_key, core, known.who, known.key)
    except (KeyNeeded, NoKey) as error:
        if for_htmx(request):
            raise
        query = {"next": came_from(request)}
        if changes(request):
            query["kept"] = kept_of(request).keep_form(request.url.path, request.state.form, core.now())
        else:
            query["next"] = request.url.path
        page = "/account/keys/new" if isinstance(error, NoKey) else "/second-factor"
        raise Elsewhere(redirect(f"{page}?{urlencode(query)}")) from None


async def _to_log_in(request: Request) -> Exception:
    if for_htmx(request):
        return NeedsLogin()
    path = request.url.path
    if changes(request):
        query = {"next": came_from(request)}
        if from_own_page(request):
            query["kept"] = await kept_of(request).keep(request, controller_of(request).now())
    else:
        query = {"next": f"{path}?{request.url.query}" if request.url.query else path}
    if query["next"] == "/":
        del query["next"]
    return Elsewhere(redirect(f"/login?{urlencode(query)}" if query else "/login"))


async def _check_form(request: Request, known: Known) -> None:
    """Let a form pass that comes from a page of the present session; have any other one asked about."""
    if not from_own_page(request):
        raise HTTPException(403, "this form was not sent by a page of ours")
    sent = await read(request)
    if known.key and not csrf_fits(known, request.headers.get(CSRF_HEADER) or sent["csrf"]):
        if not {"origin", "sec-fetch-site"} & set(request.headers):
            raise HTTPException(403, "this form does not say where it comes from")
        raise OldForm(await kept_of(request).keep(request, controller_of(request).now()))
    if "kept" in sent:
        again = kept_of(request).take(sent["kept"], request.url.path, controller_of(request).now())
        if again is None:
            words = words_of(request)
            raise Elsewhere(redirect(came_from(request), words("login.no_longer_kept"), "care"))
        sent = again
    request.state.form = sent


async def _enter_by_token(request: Request, token: str) -> Response:
    """Turn a token in the address into a session, so that the address stays clean."""
    core = controller_of(request)

    def change(session: Session) -> str | None:
        who = holder_of(session, token.strip())
        if who is None:
            return None
        user = session.get_one(User, who.name)
        return enter(session, user, core.now(), address_of(request))

    secret = await core.write(change)
    if secret is None:
        return redirect("/login", words_of(request)("login.wrong_token"), "bad")
    rest = urlencode([(name, value) for name, value in request.query_params.multi_items() if name != "token"])
    answer = redirect(local_path(f"{request.url.path}?{rest}" if rest else request.url.path))
    set_session(answer, secret)
    return answer


def set_session(answer: Response, secret: str) -> None:
    """Give the browser its session."""
    answer.set_cookie(
        COOKIE, secret, max_age=int(LONGEST.total_seconds()), httponly=True, secure=True, samesite="lax"
    )


def drop_session(answer: Response) -> None:
    """Take the session from the browser."""
    answer.delete_cookie(COOKIE, httponly=True, secure=True, samesite="lax")


def address_of(request: Request) -> str:
    """The network address of whoever asks."""
    return request.client.host if request.client is not None else ""


ContractorPage = Annotated[Actor, Depends(_needs(Role.CONTRACTOR))]
ViewerPage = Annotated[Actor, Depends(_needs(Role.VIEWER))]
SecretaryPage = Annotated[Actor, Depends(_needs(Role.SECRETARY))]
OperatorPage = Annotated[Actor, Depends(_needs(Role.OPERATOR))]
AdministratorPage = Annotated[Actor, Depends(_needs(Role.ADMINISTRATOR))]
TechnicianPage = Annotated[Actor, Depends(_needs(Role.TECHNICIAN))]
KeyedContractorPage = Annotated[Actor, Depends(_needs(Role.CONTRACTOR, key=True))]
KeyedTechnicianPage = Annotated[Actor, Depends(_needs(Role.TECHNICIAN, key=True))]
KeyedOperatorPage = Annotated[Actor, Depends(_needs(Role.OPERATOR, key=True))]
KeyedAdministratorPage = Annotated[Actor, Depends(_needs(Role.ADMINISTRATOR, key=True))]
