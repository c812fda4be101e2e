"""/static: files of the page. Built ones carry their content's hash in the name and may be kept for ever."""

from __future__ import annotations

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from .assets import STATIC

_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


class PageFiles(StaticFiles):
    """The folder `static`, told to browsers how long to keep."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        built = path.startswith("built/") and answer.status_code < 400
        answer.headers["Cache-Control"] = _FOR_EVER if built else _ASK_AGAIN
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer
