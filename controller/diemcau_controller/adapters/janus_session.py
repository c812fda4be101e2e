"""One Janus session over one WebSocket: requests with answers, events per handle, sign of life."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from diemcau_wire import unix_socket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

_ANSWER_S = 10.0
_KEEPALIVE_S = 5.0
_ACK_S = 5.0
_PLUGIN = "janus.plugin.videoroom"

Body = dict[str, Any]


class JanusLost(ConnectionError):
    """Janus cannot be reached, or the connection to it broke. Try again later."""


class JanusRefused(ValueError):
    """Janus understood and said no. `code` is its error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Janus refused ({code}): {text}")
        self.code = code


class Session:
    """An open session. Everything waiting on it raises :class:`JanusLost` when it breaks."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._id: int | None = None
        self._answers: dict[str, asyncio.Future[Body]] = {}
        self._ack_answers: set[str] = set()  # transactions whose answer is the ack itself
        self._events: dict[int, asyncio.Queue[Body | None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.lost = asyncio.Event()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Connect to the Unix socket at `path`. Raises :class:`JanusLost`."""
        try:
            socket = await connect(
                "ws://janus/",
                sock=await asyncio.to_thread(unix_socket.connect, path),
                subprotocols=[Subprotocol("janus-protocol")],
                open_timeout=_ANSWER_S,
                close_timeout=1,
                ping_interval=None,
                max_size=2**22,
                proxy=None,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise JanusLost(f"Janus is not reached at {path}: {error}") from error
        session = cls(socket)
        session._tasks.append(asyncio.create_task(session._read(), name="janus-read"))
        try:
            session._id = (await session._ask({"janus": "create"}))["data"]["id"]
        except BaseException:
            await session.close()
            raise
        session._tasks.append(asyncio.create_task(session._stay(), name="janus-keepalive"))
        return session

    async def attach(self) -> int:
        """A new VideoRoom handle."""
        handle: int = (await self._ask({"janus": "attach", "plugin": _PLUGIN}))["data"]["id"]
        self._events[handle] = asyncio.Queue()
        return handle

    async def detach(self, handle: int) -> None:
        """Give a handle back; whoever was in a room through it has left."""
        self._events.pop(handle, None)
        with suppress(JanusLost, JanusRefused):
            await self._ask({"janus": "detach", "handle_id": handle})

    async def message(self, handle: int, body: Body) -> Body:
        """Ask the plugin; gives its answer. Raises :class:`JanusRefused` or :class:`JanusLost`."""
        answer = await self._ask({"janus": "message", "handle_id": handle, "body": body})
        data: Body = answer.get("plugindata", {}).get("data", {})
        if "error_code" in data:
            raise JanusRefused(data["error_code"], str(data.get("error", "")))
        return data

    async def event(self, handle: int) -> Body:
        """The next thing the plugin says by itself on this handle. Raises :class:`JanusLost`."""
        queue = self._events[handle]
        if self.lost.is_set() and queue.empty():
            raise JanusLost("the connection to Janus broke")
        data = await queue.get()
        if data is None:
            raise JanusLost("the connection to Janus broke")
        return data

    async def close(self) -> None:
        """Destroy the session and hang up."""
        if not self.lost.is_set() and self._id is not None:
            with suppress(JanusLost, JanusRefused):
                await self._ask({"janus": "destroy"}, patience_s=1)
        self._break()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()

    async def _ask(self, request: Body, *, patience_s: float = _ANSWER_S, ack: bool = False) -> Body:
        if self.lost.is_set():
            raise JanusLost("the connection to Janus broke")
        transaction = secrets.token_hex(8)
        request |= {"transaction": transaction}
        if self._id is not None:
            request |= {"session_id": self._id}
        answer: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
        self._answers[transaction] = answer
        if ack:
            self._ack_answers.add(transaction)
        try:
            async with asyncio.timeout(patience_s):
                await self._socket.send(json.dumps(request))
                document = await answer
        except TimeoutError:
            raise JanusLost(f"Janus did not answer within {patience_s:.0f} s") from None
        except WebSocketException as error:
            raise JanusLost(str(error)) from error
        finally:
            self._answers.pop(transaction, None)
            self._ack_answers.discard(transaction)
        if document.get("janus") == "error":
            refusal = document.get("error", {})
            raise JanusRefused(int(refusal.get("code", 0)), str(refusal.get("reason", "")))
        return document

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                try:
                    document = json.loads(text)
                except ValueError:
                    continue
                if isinstance(document, dict):
                    self._take(document)
        except WebSocketException:
            pass
        finally:
            self._break()

    def _take(self, document: Body) -> None:
        kind, transaction = document.get("janus"), str(document.get("transaction"))
        waiting = self._answers.get(transaction)
        if waiting is not None:
            if not waiting.done() and (kind != "ack" or transaction in self._ack_answers):
                waiting.set_result(document)
            return
        if kind == "timeout":
            self._break()
        queue = self._events.get(document.get("sender", 0))
        if kind == "event" and queue is not None:
            queue.put_nowait(document.get("plugindata", {}).get("data", {}))

    async def _stay(self) -> None:
        """Keep the session alive, and notice when the other end is gone without a word."""
        try:
            while True:
                await asyncio.sleep(_KEEPALIVE_S)
                await self._ask({"janus": "keepalive"}, patience_s=_ACK_S, ack=True)
        except (JanusLost, JanusRefused):
            self._break()

    def _break(self) -> None:
        self.lost.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(JanusLost("the connection to Janus broke"))
        for queue in self._events.values():
            queue.put_nowait(None)
