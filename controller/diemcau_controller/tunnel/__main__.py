"""Lets units dial in by SSH, and cuts the line of one that has lost its right.

    python -m diemcau_controller.tunnel --state-dir DIR --sshd PROGRAM --listen ADDRESS:PORT

Each connection gets an sshd of its own, so what it says in its log is about that connection. The connection
stays open here, too: shutting it ends the line, whatever its sshd does. All are of our process group, which
the launcher ends whole. Who may dial in, and on which port each may listen, the database says; it is looked
at every second. It depends on neither controller nor broker: a unit whose own program is broken dials by
itself.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path

from diemcau_wire.logs import log_to_stderr

from ..adapters.authority import Authority
from ..adapters.sshd_config import TunnelFiles, sshd_command, write_host_certificate, write_sshd_config
from ..adapters.whole_file import write_whole
from ..config import StateDir
from ..rules.tunnel import Line, has_room, principals, to_cut, who_logged_in
from ..store.reachable import reachable

log = logging.getLogger("diemcau_controller.tunnel")

LOOK_S = 1.0
_CERTIFICATE_EVERY_S = 24 * 3600.0
_LONGEST_SAID = 4096


class Door:
    """Serves one listening socket."""

    def __init__(self, state: StateDir, sshd: str, listening: socket.socket) -> None:
        self._state, self._listening = state, listening
        self._files = TunnelFiles(state.tunnel)
        self._command = sshd_command(sshd, self._files)
        self._authority = Authority(state.authority)
        self._reachable: dict[str, int] = {}
        self._written: str | None = None
        self._lines: dict[Line, socket.socket] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises OSError when its configuration cannot be written."""
        write_sshd_config(self._files, self._authority.ssh)
        await self._read()
        tasks = [
            asyncio.create_task(self._accept(), name="accept"),
            asyncio.create_task(self._look(), name="look"),
            asyncio.create_task(self._certify(), name="certify"),
        ]
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            for task in (stopping, *tasks, *self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, (source, *_) = await loop.sock_accept(self._listening)
            except OSError as error:  # too many descriptors
                log.error("no line can be taken", extra={"error": str(error)})
                await asyncio.sleep(LOOK_S)
                continue
            if not has_room(self._lines, source):
                log.warning("turned away: too many at once", extra={"source": source})
                connection.close()
                continue
            connection.setblocking(True)  # an sshd wants it so
            line = Line(source, time.monotonic())
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=connection.fileno(),
                    stdout=connection.fileno(),
                    stderr=asyncio.subprocess.PIPE,
                    limit=_LONGEST_SAID,
                )
            except OSError as error:
                log.error("no sshd for a line", extra={"source": source, "error": str(error)})
                connection.close()
                continue
            self._lines[line] = connection
            task = asyncio.create_task(self._follow(line, process), name=f"line {source}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _follow(self, line: Line, process: asyncio.subprocess.Process) -> None:
        """Hear what its sshd says until it ends."""
        assert process.stderr is not None
        last = ""
        try:
            while said := await _next_line(process.stderr):
                unit = who_logged_in(said)
                if unit is None:
                    last = said
                    continue
                line.unit = unit
                log.info("dialled in", extra={"unit": unit, "source": line.source})
                await self._read()
                self._cut()
            code = await process.wait()
            log.info(
                "line ended",
                extra={"unit": line.unit, "source": line.source, "exit": code, "said": last[:200]},
            )
        finally:
            connection = self._lines.pop(line)
            _shut(connection)
            connection.close()
            with suppress(ProcessLookupError):
                process.kill()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._read()
            self._cut()

    async def _read(self) -> None:
        """As the database says; as it said last when it cannot be read, and when a disk is full."""
        try:
            self._reachable = await asyncio.to_thread(reachable, self._state.database)
            text = principals(self._reachable)
            if text != self._written:
                await asyncio.to_thread(write_whole, self._files.principals, text.encode())
                self._written = text
        except (sqlite3.Error, OSError) as error:
            log.error("who may dial in is not known anew", extra={"error": str(error)})

    def _cut(self) -> None:
        for line, why in [*to_cut(self._lines, self._reachable, time.monotonic())]:
            log.warning("line cut", extra={"unit": line.unit, "source": line.source, "why": why})
            _shut(self._lines[line])

    async def _certify(self) -> None:
        """A unit whose clock runs ahead shall not find the server's certificate at its end."""
        while True:
            await asyncio.sleep(_CERTIFICATE_EVERY_S)
            try:
                await asyncio.to_thread(write_host_certificate, self._files, self._authority.ssh)
            except OSError as error:
                log.error("the server's certificate is not renewed", extra={"error": str(error)})


async def _next_line(reader: asyncio.StreamReader) -> str:
    """The next line that is not empty; "" at the end. One that is too long is passed over."""
    while True:
        try:
            said = await reader.readline()
        except ValueError:
            continue
        if not said:
            return ""
        if text := said.decode(errors="replace").strip():
            return text


def _shut(connection: socket.socket) -> None:
    """End a line: both processes of its sshd see that nobody is there any more, and end."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


async def _main(state: StateDir, sshd: str, listening: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Door(state, sshd, listening).run(stop)


def main() -> int:
    """Exit 0 after a signal, 1 when it cannot listen or write."""
    parser = argparse.ArgumentParser(prog="diemcau-tunnel", description="Where units dial in by SSH.")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--sshd", required=True)
    parser.add_argument("--listen", required=True)
    given = parser.parse_args()
    log_to_stderr()
    host, _, port = given.listen.rpartition(":")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host.strip("[]"), int(port)), family=family, backlog=64) as listening:
            listening.setblocking(False)
            asyncio.run(_main(StateDir(given.state_dir.resolve()), given.sshd, listening))
    except OSError as error:
        log.error("cannot serve", extra={"error": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
