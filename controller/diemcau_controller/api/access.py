"""Who is asking: a bearer token in the header, or the page's cookie, decides what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from ..actions.add_user import holder_of
from ..actions.controller import Controller
from ..rules.actor import Actor, Role

COOKIE = "diemcau_token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def controller_of(request: Request) -> Controller:
    """The controller this application serves."""
    controller = request.app.state.controller
    assert isinstance(controller, Controller)
    return controller


def bearer(request: Request) -> str | None:
    """The token of the Authorization header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def identify(request: Request) -> Actor | None:
    """Whoever asks; None for nobody we know.

    The cookie counts for changes only when the browser says that our own page asks.
    """
    token = bearer(request)
    if token is None:
        token = request.cookies.get(COOKIE)
        own_page = request.headers.get("sec-fetch-site") == "same-origin"
        if request.method not in _SAFE and not own_page:
            token = None
    if not token:
        return None
    with controller_of(request).database.read() as session:
        return holder_of(session, token)


def _needs(needed: Role) -> Callable[[Request], Actor]:
    def check(request: Request) -> Actor:
        who = identify(request)
        if who is None:
            raise HTTPException(
                401,
                "give a valid token: Authorization: Bearer …, made with `diemcau user token`",
                {"WWW-Authenticate": "Bearer"},
            )
        if not who.may(needed):
            raise HTTPException(403, f"user {who.name} is a {who.role}: this needs the role {needed}")
        return who

    return check


Core = Annotated[Controller, Depends(controller_of)]
Contractor = Annotated[Actor, Depends(_needs(Role.CONTRACTOR))]
Viewer = Annotated[Actor, Depends(_needs(Role.VIEWER))]
Secretary = Annotated[Actor, Depends(_needs(Role.SECRETARY))]
Operator = Annotated[Actor, Depends(_needs(Role.OPERATOR))]
Administrator = Annotated[Actor, Depends(_needs(Role.ADMINISTRATOR))]
