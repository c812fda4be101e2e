"""Who is asking: a bearer token in the header, or the session of a browser, decides what is allowed."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request

from ..actions.add_user import holder_of
from ..actions.controller import Controller
from ..actions.second_factor import check_key
from ..actions.web_session import note_seen, session_of
from ..rules.actor import Actor, Role

COOKIE = "__Host-diemcau"
CSRF_HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody we know. `key` and `csrf` are those of a browser's session; with a token both are empty."""

    who: Actor
    key: str = ""
    csrf: str = ""


def controller_of(request: Request) -> Controller:
    """The controller this application serves."""
    controller = request.app.state.controller
    assert isinstance(controller, Controller)
    return controller


def bearer(request: Request) -> str | None:
    """The token of the Authorization header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def identify(request: Request) -> Known | None:
    """Whoever asks; None for nobody we know. Reads the database each time, so call it off the event loop."""
    core, token = controller_of(request), bearer(request)
    if token is not None:
        with core.database.read() as session:
            who = holder_of(session, token)
        return None if who is None else Known(who)
    secret = request.cookies.get(COOKIE)
    if not secret:
        return None
    now = core.now()
    with core.database.read() as session:
        found = session_of(session, secret, now)
    if found is None:
        return None
    if found.stale:
        core.writer.submit(partial(note_seen, key=found.key, now=now))
    return Known(found.who, found.key, found.csrf)


def known_to(request: Request) -> Known | None:
    """Who was found to be asking, where a dependency looked."""
    known = getattr(request.state, "known", None)
    return known if isinstance(known, Known) else None


def session_key(request: Request) -> str:
    """The key of the session that asks; "" with a token."""
    known = known_to(request)
    return "" if known is None else known.key


def changes(request: Request) -> bool:
    """True for a request that may change something."""
    return request.method not in _SAFE


def from_own_page(request: Request) -> bool:
    """False when the browser says that the page of somebody else asks."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def csrf_fits(known: Known, given: str) -> bool:
    """True if `given` is the session's own token."""
    return hmac.compare_digest(known.csrf.encode(), given.encode())


def _needs(needed: Role, *, key: bool = False) -> Callable[[Request], Actor]:
    """Let in who may; with `key` only who, where the office wants it, has just shown a security key."""

    def check(request: Request) -> Actor:
        known = identify(request)
        if known is None:
            raise HTTPException(
                401,
                "give a valid token: Authorization: Bearer …, made with `diemcau user token`",
                {"WWW-Authenticate": "Bearer"},
            )
        request.state.known = known
        who = known.who
        if not who.may(needed):
            raise HTTPException(403, f"user {who.name} is a {who.role}: this needs the role {needed}")
        if known.key and changes(request):
            given = request.headers.get(CSRF_HEADER, "")
            if not (csrf_fits(known, given) and from_own_page(request)):
                raise HTTPException(403, f"a browser's session needs the page's own {CSRF_HEADER} header")
        if key:
            check_key(controller_of(request), who, known.key)
        return who

    return check


Core = Annotated[Controller, Depends(controller_of)]
Contractor = Annotated[Actor, Depends(_needs(Role.CONTRACTOR))]
Viewer = Annotated[Actor, Depends(_needs(Role.VIEWER))]
Secretary = Annotated[Actor, Depends(_needs(Role.SECRETARY))]
Operator = Annotated[Actor, Depends(_needs(Role.OPERATOR))]
Administrator = Annotated[Actor, Depends(_needs(Role.ADMINISTRATOR))]
Technician = Annotated[Actor, Depends(_needs(Role.TECHNICIAN))]
KeyedTechnician = Annotated[Actor, Depends(_needs(Role.TECHNICIAN, key=True))]
KeyedOperator = Annotated[Actor, Depends(_needs(Role.OPERATOR, key=True))]
KeyedAdministrator = Annotated[Actor, Depends(_needs(Role.ADMINISTRATOR, key=True))]
