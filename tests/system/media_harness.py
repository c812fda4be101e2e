"""Drives real media processes as the unit does, and looks at what they put out."""

from __future__ import annotations

import array
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import zxingcpp
from diemcau_agent.frames import FrameReader, Picture
from diemcau_agent.ipc import decode_line, encode_line
from diemcau_wire.unix_socket import connect, listen

RATE_HZ = 48_000
VIDEO = {"width": 640, "height": 360, "fps": 15, "bitrate_bps": 500_000}
_CODE = re.compile(r"DC1 (\S+) (\d+)")


class MediaProcess:
    """One media process with its unit's and its screen's end."""

    def __init__(self, folder: Path, site: str) -> None:
        self.site, self.folder = site, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.sound = folder / f"{site}.s16"
        self.lines: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self.readers: list[FrameReader] = []
        self._screen = listen(folder / f"{site}-screen.sock")
        threading.Thread(target=self._be_screen, daemon=True).start()
        path = folder / f"{site}-media.sock"
        listening = listen(path)
        self.process = _spawn(listening, folder / f"{site}.log")
        listening.close()
        self._socket = connect(path)
        threading.Thread(target=self._read, daemon=True).start()

    def start(self, join: dict[str, str], ca: Path, more: dict[str, Any] | None = None) -> None:
        line: dict[str, Any] = {
            "type": "start",
            "meeting": "m1",
            "join": join,
            "ca": str(ca),
            "site": self.site,
            "name": f"Xã {self.site}",
            "camera": {"source": "synthetic"},
            "microphone": {"source": "none"},
            "sound": {"output": f"file:{self.sound}"},
            "video": VIDEO,
            "screen_socket": str(self.folder / f"{self.site}-screen.sock"),
            "previous_session": None,
        }
        self.send({**line, **(more or {})})

    def send(self, line: dict[str, Any]) -> None:
        self._socket.sendall(encode_line(line))

    def send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def floor(self, video: list[str | None], audio: list[str], mic: bool) -> None:
        self.send({"type": "floor", "video": video, "audio": audio, "mic": mic})

    def stop(self) -> int:
        self.send({"type": "stop"})
        return self.process.wait(10)

    def restart_screen(self) -> None:
        """Let the screen go and come back."""
        self.readers = []
        self._screen_connection.close()

    def hang_up(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def close(self) -> None:
        self.kill()
        self._socket.close()
        self._screen.close()

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["type"] == type_]

    def stats(self) -> dict[str, Any]:
        """The newest stats, waiting for the first."""
        self.wait("stats")
        return self.of("stats")[-1]

    def wait(self, type_: str, timeout_s: float = 40, *, after: int = 0) -> dict[str, Any]:
        """The line of a type that came `after` so many of it."""

        def there() -> bool:
            return len(self.of(type_)) > after or self.process.poll() is not None

        with self._changed:
            self._changed.wait_for(there, timeout_s)
        time.sleep(0.05)
        if len(self.of(type_)) <= after:
            raise AssertionError(f"{self.site}: no {type_}; {self.lines[-5:]}\n{self.log()[-3000:]}")
        return self.of(type_)[after]

    def log(self) -> str:
        return (self.folder / f"{self.site}.log").read_text()

    def picture(self, slot: int) -> Picture | None:
        return self.readers[slot].read(0) if self.readers else None

    def code(self, slot: int) -> tuple[str, int] | None:
        """The site and unix milliseconds read from the newest picture of a slot."""
        picture = self.picture(slot)
        if picture is None:
            return None
        luma = np.frombuffer(picture.data, np.uint8, picture.width * picture.height)
        for found in zxingcpp.read_barcodes(luma.reshape(picture.height, picture.width)):
            if match := _CODE.fullmatch(found.text):
                return match[1], int(match[2])
        return None

    def sees(self, slot: int, site: str, timeout_s: float = 15) -> float:
        """Wait until a slot shows a site with an advancing clock; returns seconds it took."""
        began = time.monotonic()
        first: int | None = None
        while time.monotonic() - began < timeout_s:
            code = self.code(slot)
            if code is not None and code[0] == site and abs(code[1] - time.time() * 1000) < 2000:
                if first is None:
                    first, took = code[1], time.monotonic() - began
                elif code[1] > first:
                    return took
            time.sleep(0.02)
        raise AssertionError(
            f"{self.site} slot {slot}: {self.code(slot)} and not {site}\n{self.log()[-3000:]}"
        )

    def heard(self, seconds: float, hertz: list[int]) -> dict[int, float]:
        """Levels in dBFS of tones in the last `seconds` of the sound output."""
        data = np.fromfile(self.sound, "<i2")[-int(seconds * RATE_HZ) :].astype(np.float64) / 32768
        return {tone: level(data, tone) for tone in hertz}

    def hears(self, hertz: int, others: list[int], timeout_s: float = 15) -> None:
        """Wait until the last second has this tone, and every other one 20 dB lower."""
        deadline = time.monotonic() + timeout_s
        while True:
            levels = self.heard(1, [hertz, *others])
            if levels[hertz] > -32 and all(levels[other] < levels[hertz] - 20 for other in others):
                return
            assert time.monotonic() < deadline, f"{self.site} hears {levels} and not {hertz}"
            time.sleep(0.2)

    def cpu_s(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def memory_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def _read(self) -> None:
        with self._socket.makefile("rb") as lines:
            try:
                for data in lines:
                    with self._changed:
                        self.lines.append(decode_line(data))
                        self._changed.notify_all()
            except OSError:
                pass
        with self._changed:
            self._changed.notify_all()

    def _be_screen(self) -> None:
        while True:
            try:
                connection, _ = self._screen.accept()
            except OSError:
                return
            data, descriptors = _receive(connection)
            assert decode_line(data) == {"type": "frames", "slots": len(descriptors)}
            self.readers = [FrameReader(descriptor) for descriptor in descriptors]
            self._screen_connection = connection


def level(samples: np.ndarray, hertz: int) -> float:
    """Level of one tone in samples of -1..1, dBFS; below -120 counts as nothing."""
    if len(samples) == 0:
        return -120.0
    window = np.hanning(len(samples))
    phase = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / RATE_HZ)
    amplitude = 2 * abs((samples * window * phase).sum()) / window.sum()
    return max(-120.0, 20 * float(np.log10(amplitude / np.sqrt(2) + 1e-9)))


def clip(path: Path, pictures: list[np.ndarray]) -> dict[str, str]:
    """A video file of 10 pictures a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for luma in pictures:
            planes = np.full((270, 320), 128, np.uint8)
            planes[:180] = luma
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    return {"source": f"file:{path}"}


def wait_until(true: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _spawn(listening: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    """Start it with the socket as descriptor 3."""
    with log.open("ab") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "diemcau_agent.media"],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            preexec_fn=lambda: os.dup2(listening.fileno(), 3),
            pass_fds=(3,) if listening.fileno() != 3 else (listening.fileno(),),
        )


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    data, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(4 * 4))
    descriptors = array.array("i")
    for _, _, payload in ancillary:
        descriptors.frombytes(payload[: len(payload) - len(payload) % 4])
    return data, list(descriptors)


def freeze(process: MediaProcess) -> None:
    """Stop it as a hung machine does: its connections stay open."""
    process.process.send_signal(signal.SIGSTOP)
