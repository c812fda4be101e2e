"""What goes wrong on a page, as a page: one sentence, and what to do. The API keeps its JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from ..api.access import identify, known_to
from ..api.refused import status_of
from ..rules.refusals import Refusal
from ..store.writer import WriterBusy
from .access import Elsewhere, NeedsLogin, OldForm, RoleTooSmall
from .form import Kept, kept_of
from .mistakes import sentence
from .page import came_from, for_htmx, render, words_of

Answer = Callable[[Request, Any], Awaitable[Response]]

_KNOWN_STATUS = (400, 403, 404, 405, 410, 413, 422, 429, 503)


def install(app: FastAPI) -> None:
    """Answer for pages in pages, and leave to the API what is the API's."""
    app.state.kept = Kept()
    for kind, as_page in _PAGES.items():
        app.add_exception_handler(kind, _by_surface(app.exception_handlers.get(kind), as_page))


def is_page(request: Request) -> bool:
    """True for addresses that people look at."""
    path = request.url.path
    return not path.startswith(("/api/", "/enrol/", "/static/")) and path not in ("/healthz", "/live")


def _by_surface(as_json: Any, as_page: Answer) -> Answer:
    async def answer(request: Request, error: Any) -> Response:
        if as_json is not None and not is_page(request):
            done = as_json(request, error)
            return done if isinstance(done, Response) else await done
        return await as_page(request, error)

    return answer


async def _elsewhere(request: Request, error: Elsewhere) -> Response:
    return error.answer


async def _needs_login(request: Request, error: NeedsLogin) -> Response:
    return await _said(request, 401, words_of(request)("login.session_ended"))


async def _role_too_small(request: Request, error: RoleTooSmall) -> Response:
    return await _said(request, 403, words_of(request)("login.role_too_small"))


async def _old_form(request: Request, error: OldForm) -> Response:
    """What was typed goes on with one tap, as soon as the person says so."""
    if for_htmx(request):
        return await _said(request, 409, words_of(request)("login.old_page"))
    path = kept_of(request).path(error.key, request.app.state.controller.now())
    return render(request, "login/kept.html", 409, key=error.key, action=path, go=False)


async def _refusal(request: Request, error: Refusal) -> Response:
    return await _said(request, status_of(error), sentence(words_of(request), error))


async def _http(request: Request, error: HTTPException) -> Response:
    status = error.status_code if error.status_code in _KNOWN_STATUS else 400
    answer = await _said(request, error.status_code, words_of(request)(f"refusal.http_{status}"))
    answer.headers.update(error.headers or {})
    return answer


async def _malformed(request: Request, error: RequestValidationError) -> Response:
    return await _said(request, 422, words_of(request)("refusal.http_422"))


async def _cannot_store(request: Request, error: OperationalError | WriterBusy) -> Response:
    return await _said(request, 503, words_of(request)("refusal.http_503"))


async def _fault(request: Request, error: Exception) -> Response:
    return await _said(request, 500, words_of(request)("refusal.fault"))


async def _said(request: Request, status: int, text: str) -> Response:
    if for_htmx(request):  # shown in the page's notice; a 422 would be put in the place of the part asked for
        return render(request, "login/notice.html", 409 if status == 422 else status, text=text)
    if known_to(request) is None and status < 500:
        request.state.known = await run_in_threadpool(identify, request)
    back = came_from(request)
    if back.partition("?")[0] == request.url.path:  # where it would only be refused again
        back = "/"
    return render(request, "login/refused.html", status, text=text, back=back)


_PAGES: dict[type[Exception], Answer] = {
    Elsewhere: _elsewhere,
    NeedsLogin: _needs_login,
    RoleTooSmall: _role_too_small,
    OldForm: _old_form,
    Refusal: _refusal,
    HTTPException: _http,
    RequestValidationError: _malformed,
    OperationalError: _cannot_store,
    WriterBusy: _cannot_store,
    Exception: _fault,
}
