"""Screen and media under a service manager: reached, greeted, hung up on, given up; their signs of life."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_agent.unit import service
from diemcau_agent.unit.service import Service
from diemcau_wire.unix_socket import connect, listen


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is somebody else's to end."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


class Manager:
    """Serves a socket as systemd does: the first `busy` connections are hung up on."""

    def __init__(self, path: Path, first: bytes, process: subprocess.Popen[bytes], busy: int = 0) -> None:
        self._path, self._first, self._process, self._busy = path, first, process, busy
        self.connections = 0
        self.heard: list[bytes] = []

    async def __aenter__(self) -> Manager:
        self._server = await asyncio.start_unix_server(self._serve, sock=listen(self._path))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.connections > self._busy:
            writer.write(self._first + b"\n")
            self.heard.append(await reader.read())
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        writer.close()


def hello(process: subprocess.Popen[bytes]) -> bytes:
    return json.dumps({"type": "hello", "pid": process.pid}).encode()


def test_hanging_up_ends_a_media_process(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    async def scene() -> None:
        async with Manager(tmp_path / "media.sock", hello(sleeper), sleeper, busy=2) as manager:
            media = await Service.reach("media", [], tmp_path / "media.sock")
            assert manager.connections == 3, "while the one before still runs, the manager hangs up"
            assert (media.pid, media.alive) == (sleeper.pid, True)
            media.signal(signal.SIGKILL)
            assert await media.end() == 0
            assert not media.alive
            assert manager.heard == [b'{"type":"stop"}\n']

    asyncio.run(scene())


def test_the_screen_goes_on_when_the_unit_hangs_up(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    async def scene() -> None:
        server = await asyncio.start_unix_server(
            lambda _reader, writer: writer.write(hello(sleeper) + b"\n"),
            sock=listen(tmp_path / "screen.sock"),
        )
        async with server:
            screen = await Service.reach("screen", [], tmp_path / "screen.sock")
            async with asyncio.timeout(10):
                await screen.end()
            assert screen.alive and sleeper.poll() is None

    asyncio.run(scene())


@pytest.mark.parametrize("first", [b'{"type":"ready"}', b'{"type":"hello","pid":"1"}', b"{", b""])
def test_who_says_no_hello_is_no_service(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr(service, "HELLO_LIMIT_S", 0.5)

    async def scene() -> None:
        async with Manager(tmp_path / "media.sock", first, sleeper):
            with pytest.raises(OSError, match="media service does not answer"):
                await Service.reach("media", [], tmp_path / "media.sock")

    asyncio.run(scene())


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        asyncio.run(Service.reach("media", [], tmp_path / "media.sock"))


def managed(module: str, passed: socket.socket, notify: Path) -> subprocess.Popen[bytes]:
    """Start a process as systemd does: the socket as descriptor 3, its own pid in LISTEN_PID."""
    environment = {**os.environ, "NOTIFY_SOCKET": str(notify), "SDL_VIDEODRIVER": "dummy"}
    program = (
        f"import os, sys; os.dup2({passed.fileno()}, 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
        f"os.execv(sys.executable, [sys.executable, '-m', '{module}'])"
    )
    return subprocess.Popen([sys.executable, "-c", program], env=environment, pass_fds=[passed.fileno()])


@pytest.mark.parametrize("role", ["media", "screen"])
def test_each_says_hello_and_gives_signs_of_life(role: str, tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        listen(tmp_path / "x.sock") as listening,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        if role == "media":  # Accept=yes: the connection itself is passed
            ours, theirs = socket.socketpair()
            with theirs:
                process = managed("diemcau_agent.media", theirs, tmp_path / "notify")
        else:
            ours = connect(tmp_path / "x.sock")
            process = managed("diemcau_agent.screen", listening, tmp_path / "notify")
        with process, ours:
            ours.settimeout(60)
            said = json.loads(ours.makefile("rb").readline())
            assert said == {"type": "hello", "pid": process.pid}
            assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
            ours.sendall(b'{"type":"stop"}\n')
            assert process.wait(60) == 0
