"""What nginx says of a client's certificate, at the border of the application.

Whoever shows one must be a unit that serves a site, with a certificate that was not revoked; else every
address answers 403, but those by which a unit asks to be admitted or what became of it. People show none.
The application listens where only nginx reaches it, and nginx sets these headers on every request.

A unit that was put in place after the backup this controller was restored from is refused, too, and a person
is told of it: it may come here before it asks who it is.
"""

from __future__ import annotations

import json

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..actions.certificates import is_good
from ..actions.controller import Controller
from ..actions.later_binding import Claim, later_binding_noted, note_later_binding
from ..rules.front_door import Shown, shown
from ..store.tables import Unit

_ENROLMENT = "/enrol/"
_REFUSED = {
    "detail": "this unit serves no site: what became of it, POST /enrol/v1/identity says",
    "code": "units.locked_out",
}


class FrontDoor:
    """Middleware: locks out units that are not bound, and revoked certificates."""

    def __init__(self, app: ASGIApp, controller: Controller) -> None:
        self._app, self._controller = app, controller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        judged = scope["type"] == "http" and not scope["path"].startswith(_ENROLMENT)
        certificate = shown(Headers(scope=scope)) if judged else None
        if certificate is None or await run_in_threadpool(_lets_in, self._controller, certificate):
            await self._app(scope, receive, send)
        else:
            await _note(self._controller, certificate)
            await _refuse(send)


def unit_of(request: Request) -> str | None:
    """The unit whose certificate the client has shown; None for none."""
    certificate = shown(request.headers)
    return certificate.name if certificate is not None else None


def check_unit(request: Request, unit: str) -> None:
    """Raise 403 unless the client has shown the certificate of this unit."""
    if unit_of(request) != unit:
        raise HTTPException(403, "only the unit itself may do that: show its certificate")


def _lets_in(controller: Controller, certificate: Shown) -> bool:
    with controller.database.read() as session:
        unit = session.get(Unit, certificate.name)
        return unit is not None and unit.site_id is not None and is_good(session, certificate.serial)


async def _note(controller: Controller, certificate: Shown) -> None:
    """Write down a binding made after the backup, once."""
    if certificate.site is None:
        return
    claim = Claim(certificate.name, certificate.serial, certificate.site, certificate.epoch)

    def noted() -> bool | None:
        with controller.database.read() as session:
            return later_binding_noted(session, claim)

    if await run_in_threadpool(noted) is None:
        language, now = controller.settings.language, controller.now()
        await controller.write(lambda session: note_later_binding(session, claim, language, now))
        controller.news.tell("enrolment", unit=claim.unit, site=None)


async def _refuse(send: Send) -> None:
    body = json.dumps(_REFUSED).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
