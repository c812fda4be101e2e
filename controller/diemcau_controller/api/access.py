"""Who is asking: a bearer token in the header, or the page's cookie, decides what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from ..actions.add_user import Role, role_of
from ..actions.controller import Controller

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


def identify(request: Request) -> tuple[str, Role] | None:
    """Name and role of whoever asks; None for nobody we know.

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
        return role_of(session, token)


def _needs(needed: Role) -> Callable[[Request], str]:
    def check(request: Request) -> str:
        known = identify(request)
        if known is None:
            raise HTTPException(
                401,
                "give a valid token: Authorization: Bearer …, made with `diemcau user token`",
                {"WWW-Authenticate": "Bearer"},
            )
        name, role = known
        if not role.may(needed):
            raise HTTPException(403, f"user {name} is a {role}: this needs the role {needed}")
        return name

    return check


Core = Annotated[Controller, Depends(controller_of)]
Viewer = Annotated[str, Depends(_needs(Role.VIEWER))]
Operator = Annotated[str, Depends(_needs(Role.OPERATOR))]
Administrator = Annotated[str, Depends(_needs(Role.ADMINISTRATOR))]
