"""JSON lines between the processes of one unit, over Unix sockets.

One object per line, UTF-8, at most 64 KiB, each with a `type`. A line that is not that is refused and
counted, and the next one is read; the peer's end of file ends the conversation. Which messages there
are is written in ARCHITECTURE.md, "Between the processes".
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from typing import Any

MAX_LINE = 64 * 1024
LISTEN_FD = 3  # systemd's first passed socket, sd_listen_fds(3)

Line = dict[str, Any]


class Garbage(ValueError):
    """A line that is not one of ours."""


def encode_line(line: Line) -> bytes:
    """The line as it travels. Raises ValueError above 64 KiB."""
    data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if len(data) > MAX_LINE:
        raise ValueError(f"line of {len(data)} bytes is longer than {MAX_LINE}")
    return data


def decode_line(data: bytes) -> Line:
    """Parse one line. Raises :class:`Garbage`, and nothing else, for whatever bytes."""
    try:
        line = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Garbage(str(error)[:200]) from None
    if not isinstance(line, dict) or not isinstance(line.get("type"), str):
        raise Garbage("not an object with a type")
    return line


class Channel:
    """A conversation in JSON lines over an asyncio stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.refused = 0

    @classmethod
    async def over(cls, sock: socket.socket) -> Channel:
        """Take over a connected socket."""
        sock.setblocking(False)
        return cls(*await asyncio.open_connection(sock=sock, limit=MAX_LINE))

    def send(self, line: Line) -> None:
        """Queue a line; a peer that is gone is noticed by :meth:`lines`, not here."""
        if not self._writer.is_closing():
            self._writer.write(encode_line(line))

    async def lines(self) -> AsyncGenerator[Line, None]:
        """Every valid line until the peer is gone."""
        while True:
            try:
                data = await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                await self._skip(error.consumed)
                continue
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            try:
                yield decode_line(data)
            except Garbage:
                self.refused += 1

    async def _skip(self, buffered: int) -> None:
        """Throw away an over-long line, up to and with its end."""
        self.refused += 1
        try:
            await self._reader.readexactly(buffered)
            while True:
                try:
                    await self._reader.readuntil(b"\n")
                except asyncio.LimitOverrunError as error:
                    await self._reader.readexactly(error.consumed)
                else:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def aclose(self) -> None:
        """Hang up."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


def inherited() -> socket.socket:
    """The socket that the service manager (or the unit process) passed as descriptor 3: it listens, or is
    the connection itself (`Accept=yes`)."""
    return socket.socket(fileno=LISTEN_FD)


def listens(sock: socket.socket) -> bool:
    """True when connections come out of it. Raises OSError when it is no socket."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0
