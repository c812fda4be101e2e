"""What goes wrong, as HTTP: always JSON with a `detail` sentence that says what to do."""

from __future__ import annotations

import logging
from dataclasses import asdict

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..actions.import_sites import ImportRefused
from ..actions.receive_picture import WrongToken
from ..rules.refusals import Conflict, NotFound, Refusal
from ..store.writer import WriterBusy

MAX_BODY = 4 * 1024 * 1024

log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Teach the application to answer every refusal."""

    @app.exception_handler(Refusal)
    async def refusal(request: Request, error: Refusal) -> JSONResponse:
        status = 422
        for kind, code in ((WrongToken, 401), (NotFound, 404), (Conflict, 409)):
            if isinstance(error, kind):
                status = code
        body: dict[str, object] = {"detail": str(error)}
        if isinstance(error, ImportRefused):
            body["errors"] = [asdict(row) for row in error.errors]
        return JSONResponse(body, status)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {"field": ".".join(str(step) for step in one["loc"][1:]), "text": one["msg"]}
            for one in error.errors()
        ]
        first = errors[0] if errors else {"field": "", "text": "it cannot be read"}
        where = f"{first['field']}: " if first["field"] else ""
        return JSONResponse({"detail": f"{where}{first['text']}", "errors": errors}, 422)

    @app.exception_handler(OperationalError)
    async def database(request: Request, error: OperationalError) -> JSONResponse:
        log.error("database refuses", extra={"error": str(error.orig), "path": request.url.path})
        return JSONResponse(
            {"detail": f"the database cannot store this ({error.orig}): look at the free space of the disk"},
            503,
        )

    @app.exception_handler(WriterBusy)
    async def busy(request: Request, error: WriterBusy) -> JSONResponse:
        return JSONResponse({"detail": f"{error}: try again in a moment"}, 503)


class BodyLimit:
    """Refuses bodies above :data:`MAX_BODY`, whatever their header says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            response = JSONResponse({"detail": "the request is larger than 4 MB"}, 413)
            await response(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY:
                return {"type": "http.disconnect"}
            return message

        await self._app(scope, counted, send)
