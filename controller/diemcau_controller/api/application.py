"""The web application, which also tells in its own words who sends too much."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

_HEARD_OUT = 64 * 1024 * 1024


class Application(FastAPI):
    """FastAPI whose limit of a request's size answers like everything else: a page, or JSON.

    Starlette answers a declared size beyond the limit at once with two English words, whatever handlers
    there are. A browser that is still sending would not even see these, so it is heard out first.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        too_large = False

        async def listen(message: Message) -> None:
            nonlocal too_large
            if message["type"] == "http.response.start" and message["status"] == 413:
                too_large = dict(message["headers"]).get(b"content-type", b"").startswith(b"text/plain")
            if not too_large:
                await send(message)

        await super().__call__(scope, receive, listen)
        if too_large:
            await _hear_out(receive)
            request = Request(scope, receive)
            error = HTTPException(413, "that is larger than can be taken here: send less, or a smaller file")
            answer = await self.exception_handlers[HTTPException](request, error)  # type: ignore[misc]
            assert answer is not None
            await answer(scope, receive, send)


async def _hear_out(receive: Receive) -> None:
    heard = 0
    while heard < _HEARD_OUT:
        message = await receive()
        heard += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
