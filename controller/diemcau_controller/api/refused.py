"""What goes wrong, as HTTP: always JSON with a `detail` sentence that says what to do."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from ..actions.doorkeeper import TooMany
from ..actions.import_sites import ImportRefused
from ..actions.login_link import LinkEnded
from ..actions.receive_picture import WrongToken
from ..rules.refusals import Conflict, Forbidden, NotFound, Refusal
from ..rules.wrong_fields import sentence
from ..store.writer import WriterBusy

MAX_BODY = 4 * 1024 * 1024

log = logging.getLogger(__name__)


_STATUS = (
    (WrongToken, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (TooMany, 429),
    (LinkEnded, 410),
)


def status_of(error: Refusal) -> int:
    """The HTTP status that says what kind of refusal it is; 422 when the request itself is wrong."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 422)


def install(app: FastAPI) -> None:
    """Teach the application to answer every refusal."""

    @app.exception_handler(Refusal)
    async def refusal(request: Request, error: Refusal) -> JSONResponse:
        body: dict[str, object] = {"detail": str(error), "code": error.code}
        if error.values:
            body["values"] = jsonable_encoder(error.values)
        if isinstance(error, ImportRefused):
            body["errors"] = [{"line": row.line, "text": row.text} for row in error.errors]
        return JSONResponse(body, status_of(error))

    @app.exception_handler(HTTPException)
    async def answered(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # how FastAPI calls a body that is no text at all
            return JSONResponse({"detail": "the body cannot be read: send JSON in UTF-8"}, 422)
        return await http_exception_handler(request, error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {
                "field": ".".join(step for step in one["loc"][1:] if isinstance(step, str)),
                "text": sentence(one),
            }
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

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "the controller failed at this: look into its log"}, 500)

    @app.exception_handler(WriterBusy)
    async def busy(request: Request, error: WriterBusy) -> JSONResponse:
        return JSONResponse({"detail": f"{error}: try again in a moment"}, 503)
