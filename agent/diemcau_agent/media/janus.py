"""A client of Janus over its WebSocket: one session, transactions, events, and a keepalive that notices.

Protocol: https://janus.conf.meetecho.com/docs/rest.html#WS. A request is answered by `success`, `error`
or, after an `ack`, by an `event` with the same transaction; everything else goes to its handle.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import websockets
from diemcau_wire import unix_socket
from websockets.asyncio.client import ClientConnection, connect

log = logging.getLogger(__name__)

Message = dict[str, Any]

KEEPALIVE_S = 5.0
ANSWER_S = 5.0
NO_SUCH_SESSION = 458


class JanusLost(ConnectionError):
    """Janus cannot be reached, or not any more."""


class JanusRefused(Exception):
    """Janus answered with an error. `code` is one of JANUS_ERROR_* or of the plugin's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code


class Janus:
    """A session. Open it with :meth:`connect`; `lost` completes with the reason when it ends."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._socket = websocket
        self._transactions = itertools.count(1)
        self._waiting: dict[str, tuple[asyncio.Future[Message], bool]] = {}
        self._handles: dict[int, Callable[[Message], None]] = {}
        self._keepalive: asyncio.Task[None] | None = None
        self._reader = asyncio.create_task(self._read(), name="janus-reader")
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.session = 0

    @classmethod
    async def connect(cls, url: str, ca: str, line: str | None = None, *, timeout_s: float = 8.0) -> Self:
        """Connect, checking the server against the CA certificate at `ca`; or by the socket at `line`, at the
        other end of which the unit process does that and shows its certificate. Raises :class:`JanusLost`."""
        way: dict[str, Any] = {}
        try:
            if line is not None and url.startswith("wss:"):
                way["sock"] = await asyncio.to_thread(_ask_for, line, url)
            elif url.startswith("wss:"):
                way["ssl"] = ssl.create_default_context(cafile=ca)
            websocket = await connect(
                url.replace("wss:", "ws:", 1) if "sock" in way else url,
                **way,
                subprotocols=[websockets.Subprotocol("janus-protocol")],
                open_timeout=timeout_s,
                ping_interval=None,  # the keepalive below does it and counts for the session too
                proxy=None,
                compression=None,
                max_size=2**20,
            )
        except (OSError, TimeoutError, ssl.SSLError, websockets.WebSocketException) as error:
            raise JanusLost(f"{url}: {error or type(error).__name__}") from error
        self = cls(websocket)
        try:
            self.session = int((await self.request({"janus": "create"}))["data"]["id"])
        except BaseException:
            await self.aclose()
            raise
        self._keepalive = asyncio.create_task(self._keep_alive(), name="janus-keepalive")
        return self

    async def request(self, message: Message, *, timeout_s: float = ANSWER_S) -> Message:
        """Send and wait for the answer. Raises :class:`JanusRefused`, :class:`JanusLost`."""
        ack_is_answer = message["janus"] == "keepalive"
        transaction = str(next(self._transactions))
        if self.session and "session_id" not in message:
            message = {**message, "session_id": self.session}
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = answer, ack_is_answer
        try:
            await self._socket.send(json.dumps({**message, "transaction": transaction}))
            async with asyncio.timeout(timeout_s):  # wait_for may swallow a cancellation at the answer
                reply = await answer
        except TimeoutError:
            raise JanusLost(f"no answer to {message['janus']} in {timeout_s:g} s") from None
        except websockets.ConnectionClosed as error:
            raise JanusLost(str(error)) from error
        finally:
            del self._waiting[transaction]
        if reply["janus"] == "error":
            raise JanusRefused(int(reply["error"]["code"]), str(reply["error"]["reason"]))
        return reply

    async def attach(self, on_event: Callable[[Message], None]) -> Handle:
        """A handle on the VideoRoom plugin; what it says unasked goes to `on_event`."""
        reply = await self.request({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        handle = int(reply["data"]["id"])
        self._handles[handle] = on_event
        return Handle(self, handle)

    def forget(self, handle: int) -> None:
        """Take no more events of a handle."""
        self._handles.pop(handle, None)

    async def destroy(self, session: int) -> None:
        """End a session, this one or one that a predecessor left behind. One that is gone is fine."""
        try:
            await self.request({"janus": "destroy", "session_id": session})
        except JanusRefused as refusal:
            if refusal.code != NO_SUCH_SESSION:
                raise

    async def aclose(self) -> None:
        """Hang up; the session ends with the connection."""
        tasks = [task for task in (self._keepalive, self._reader) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._end("closed")
        try:
            await asyncio.wait_for(self._socket.close(), 1)
        except TimeoutError:
            self._socket.transport.abort()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            try:
                await self.request({"janus": "keepalive"})
            except (JanusLost, JanusRefused) as error:
                self._end(f"keepalive: {error}")
                return

    async def _read(self) -> None:
        try:
            async for data in self._socket:
                self._take(data)
            self._end("Janus hung up")
        except websockets.ConnectionClosed as error:
            self._end(str(error))

    def _take(self, data: str | bytes) -> None:
        try:
            message = json.loads(data)
            kind = message["janus"]
        except (ValueError, TypeError, KeyError, RecursionError):
            log.warning("a message that is not Janus's")
            return
        answer, ack_is_answer = self._waiting.get(message.get("transaction", ""), (None, False))
        if kind == "timeout" and message.get("session_id") == self.session:
            self._end("Janus timed the session out")
        elif answer is not None:
            if not answer.done() and (kind != "ack" or ack_is_answer):
                answer.set_result(message)
        elif (on_event := self._handles.get(message.get("sender", 0))) is not None:
            on_event(message)

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        for answer, _ in self._waiting.values():
            if not answer.done():
                answer.set_exception(JanusLost(reason))


def _ask_for(line: str, url: str) -> socket.socket:
    """A connection by which `url` is reached, at the other end of which TLS is spoken."""
    sock = unix_socket.connect(Path(line))
    try:
        sock.sendall(f"{url}\n".encode())
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


class Handle:
    """A handle on a plugin: the requests of one publisher or subscriber."""

    def __init__(self, janus: Janus, handle: int) -> None:
        self._janus, self._handle = janus, handle

    async def ask(self, body: Message, jsep: Message | None = None) -> tuple[Message, Message | None]:
        """The plugin's answer (data, jsep). Raises :class:`JanusRefused`, :class:`JanusLost`."""
        message: Message = {"janus": "message", "handle_id": self._handle, "body": body}
        if jsep is not None:
            message["jsep"] = jsep
        reply = await self._janus.request(message)
        data = reply["plugindata"]["data"]
        if "error_code" in data:
            raise JanusRefused(int(data["error_code"]), str(data.get("error", "")))
        return data, reply.get("jsep")

    async def detach(self) -> None:
        """Let the handle go, and its peer connection with it. One that is gone is fine."""
        self._janus.forget(self._handle)
        try:
            await self._janus.request({"janus": "detach", "handle_id": self._handle})
        except (JanusRefused, JanusLost) as error:
            log.debug("detach: %s", error)
