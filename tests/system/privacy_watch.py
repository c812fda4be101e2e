"""Looks all the time at what of a hall is open, from outside: who holds a socket to its camera, how many
clients the camera's own server has, and who records at the sound server."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
from diemcau_controller.namespace import ADDRESS

from tests.sound_server import SoundServer

_SERVER = Path(__file__).parents[1] / "lab" / "rtsp_server.py"
_PYTHON = "/usr/bin/python3"  # it has GObject introspection, ours has not


class WatchedCamera:
    """An RTSP camera that says how many clients it has. A context."""

    def __init__(self, port: int) -> None:
        self.port, self.clients = port, 0
        words = ["--port", str(port), "--width", "320", "--height", "180", "--tell-clients"]
        self._server = subprocess.Popen(
            [_PYTHON, str(_SERVER), "--address", ADDRESS, *words], stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout is not None
        self.url = self._server.stdout.readline().split()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.kill()
        self._server.wait(10)

    def _listen(self) -> None:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            word, _, number = line.partition(" ")
            if word == "clients":
                self.clients = int(number)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was open at one moment. `holders`: programs of the unit with a socket to the camera."""

    at: float
    clients: int
    listeners: int
    holders: tuple[str, ...]

    @property
    def camera(self) -> bool:
        return bool(self.clients or self.holders)

    @property
    def microphone(self) -> bool:
        return self.listeners > 0


class Watch:
    """Samples until the context ends; `samples` are in the order of time."""

    def __init__(self, unit_pid: int, camera: WatchedCamera, sound: SoundServer) -> None:
        self._unit, self._camera, self._sound = unit_pid, camera, sound
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join(30)

    def between(self, since: float, until: float) -> list[Sample]:
        return [sample for sample in self.samples if since <= sample.at <= until]

    def is_open(self, *, camera: bool, microphone: bool) -> bool:
        """The newest sample says so."""
        newest = self.samples[-1] if self.samples else Sample(0, 0, 0, ())
        return newest.camera is camera and newest.microphone is microphone

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            at = time.time()
            listeners = len(self._sound.listeners())
            self.samples.append(Sample(at, self._camera.clients, listeners, self._holders()))

    def _holders(self) -> tuple[str, ...]:
        inodes = _sockets_to(self._camera.port)
        if not inodes:
            return ()
        try:
            unit = psutil.Process(self._unit)
            processes = [unit, *unit.children(recursive=True)]
        except psutil.NoSuchProcess:
            return ()
        return tuple(_program(process) for process in processes if inodes & _open_sockets(process.pid))


def _sockets_to(port: int) -> set[str]:
    """Inodes of TCP sockets connected to a port, as their clients hold them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if int(row[2].partition(":")[2], 16) == port}


def _open_sockets(pid: int) -> set[str]:
    found = set()
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                found.add(str(descriptor.readlink()))
            except OSError:  # closed meanwhile
                continue
    except OSError:  # it ended meanwhile
        pass
    return found


def _program(process: psutil.Process) -> str:
    try:
        return "media" if any("media" in word for word in process.cmdline()) else "unit or screen"
    except psutil.Error:
        return "gone"
