"""Lets units and ticket holders through to Janus, and shuts the line of a unit that has lost its right.

    python -m diemcau_controller.porter --state-dir DIR

nginx has spoken TLS and says whose certificate it saw; the database says who serves a site. It depends on
neither controller nor broker, for a meeting must not. A line that is open is looked at again every second:
shutting it ends the session at Janus, so whoever lost his right is neither seen nor sees any more. After the
handshake bytes pass in both directions unread.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sqlite3
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from diemcau_wire.logs import log_to_stderr
from diemcau_wire.tunnel import pass_both_ways
from diemcau_wire.unix_socket import connect, listen

from ..config import StateDir
from ..store.admitted import Admitted, admitted
from .head import END, MAX_HEAD, Guest, Turned, let_in, passed_on, read_head, refusal

log = logging.getLogger("diemcau_controller.porter")

LOOK_S = 1.0
_HEAD_S = 10.0
_JANUS_S = 5.0


@dataclass(eq=False, slots=True)
class Line:
    """An open line and whose it is."""

    guest: Guest
    task: asyncio.Task[None]


class Porter:
    """Serves one socket. What the database says is read at each request, and every second for open lines."""

    def __init__(self, state: StateDir) -> None:
        self._state = state
        self._key = state.ticket_key.read_bytes()
        self._known = Admitted()
        self._lines: set[Line] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        server = await asyncio.start_unix_server(
            self._serve, sock=listen(self._state.porter_socket), limit=MAX_HEAD
        )
        looking = asyncio.create_task(self._look(), name="look")
        try:
            await stop.wait()
        finally:
            server.close()
            looking.cancel()
            for line in self._lines:
                line.task.cancel()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._lines:
                continue
            now = await self._admitted()
            for line in [line for line in self._lines if not line.guest.stays(now)]:
                log.warning("line shut", extra={"unit": line.guest.unit, "serial": line.guest.serial})
                line.task.cancel()

    async def _admitted(self) -> Admitted:
        """As the database says; as it said last when it cannot be read: a full disk ends no meeting."""
        try:
            self._known = await asyncio.to_thread(admitted, self._state.database)
        except sqlite3.Error as error:
            log.error("the database cannot be read", extra={"error": str(error)})
        return self._known

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        far: asyncio.StreamWriter | None = None
        line: Line | None = None
        try:
            async with asyncio.timeout(_HEAD_S):
                head = read_head(await reader.readuntil(END))
            line = Line(let_in(head, await self._admitted(), self._key, datetime.now(UTC)), task)
            self._lines.add(line)
            far_reader, far = await self._janus()
            far.write(passed_on(head))
            await pass_both_ways((reader, writer), (far_reader, far))
        except Turned as turned:
            log.warning("turned away", extra={"status": turned.status, "why": str(turned)})
            writer.write(refusal(turned, json.dumps))
            with suppress(OSError):
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.info("line ended", extra={"error": str(error)[:200] or type(error).__name__})
        finally:
            if line is not None:
                self._lines.discard(line)
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()

    async def _janus(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(_JANUS_S):
                return await asyncio.open_unix_connection(
                    sock=await asyncio.to_thread(connect, self._state.janus_socket)
                )
        except OSError:
            raise Turned(503, "the meeting server is starting: try again in some seconds") from None


async def _main(state: StateDir) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Porter(state).run(stop)


def main() -> int:
    """Exit 0 after a signal."""
    parser = argparse.ArgumentParser(prog="diemcau-porter", description="The porter at Janus's door.")
    parser.add_argument("--state-dir", type=Path, required=True)
    log_to_stderr()
    asyncio.run(_main(StateDir(parser.parse_args().state_dir.resolve())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
