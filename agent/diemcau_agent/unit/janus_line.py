"""The media process's line to Janus: it leads through this process, because the key must stay here.

Who touches codecs sees neither the unit's key nor its certificate. It connects to a Unix socket, names the
address it was told in its order, and gets a TLS connection to there that shows this unit's certificate; from
then on bytes pass in both directions, unread.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from diemcau_wire.tunnel import pass_both_ways
from diemcau_wire.unix_socket import listen

log = logging.getLogger(__name__)

CONNECT_S = 8.0


class JanusLine:
    """Listens at `path`; `tls` makes the context of each connection.

    A socket that another user's media process must reach gets the rights of its folder's group.
    """

    def __init__(self, path: Path, tls: Callable[[], ssl.SSLContext], *, shared: bool = False) -> None:
        self._path, self._tls, self._shared = path, tls, shared
        self._allowed: frozenset[str] = frozenset()
        self._open: set[asyncio.Task[None]] = set()

    def open_to(self, urls: Iterable[str]) -> str:
        """From now on the line leads to these addresses and to no other; gives the path to connect to."""
        self._allowed = frozenset(urls)
        return str(self._path.absolute())

    async def run(self) -> None:
        """Serve until cancelled."""
        sock = listen(self._path)
        if self._shared:
            self._path.chmod(0o660)
        server = await asyncio.start_unix_server(self._serve, sock=sock)
        try:
            async with server:
                await server.serve_forever()
        finally:
            for task in self._open:
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        far: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                url = (await reader.readline()).decode("ascii").strip()
                if url not in self._allowed:
                    raise ValueError("this address was in no order")
                where = urlsplit(url)
                far_reader, far = await asyncio.open_connection(
                    where.hostname or "", where.port or 443, ssl=self._tls(), ssl_handshake_timeout=CONNECT_S
                )
            await pass_both_ways((reader, writer), (far_reader, far))
        except (OSError, ValueError) as error:  # no line, no TLS, no time, or something else than a line
            log.warning("no line to Janus", extra={"error": str(error)[:300] or type(error).__name__})
        finally:
            self._open.discard(task)
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()
