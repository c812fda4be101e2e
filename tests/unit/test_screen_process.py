"""The screen process as its neighbours meet it: lines and buffers in, pictures and numbers out."""

from __future__ import annotations

import array
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import segno
import zxingcpp
from diemcau_agent import ipc
from diemcau_agent.frames import SIZE, FrameWriter
from diemcau_agent.screen.views.edges import TOP
from diemcau_wire import unix_socket
from PIL import Image, ImageChops

SHOW: dict[str, Any] = {
    "type": "show",
    "view": "idle",
    "language": "vi",
    "site": {"id": "ea-mdroh", "name": "Xã Ea M'Droh", "area": "tỉnh Đắk Lắk"},
    "coordinator": {"name": "Nguyễn Hữu Nghĩa", "phone": "0905 123 456"},
    "link": True,
    "readiness": {"verdict": "ready", "instruction": ""},
    "next": None,
    "meeting": None,
}


def in_meeting(*sites: str | None, meeting: str = "m1") -> dict[str, Any]:
    return {
        **SHOW,
        "view": "meeting",
        "meeting": {
            "id": meeting,
            "title": "Giao ban tuần",
            "starts_at": "2026-03-12T01:00:00Z",
            "ends_at": "2026-03-12T02:00:00Z",
            "speaker": sites[0],
            "slots": [None if site is None else {"site": site, "name": site.upper()} for site in sites],
            "mic": "closed",
            "camera": True,
        },
    }


class Neighbour:
    """A process that talks to the screen."""

    def __init__(self, path: Path) -> None:
        self.sock = unix_socket.connect(path)
        self.sock.settimeout(10)
        self._lines = self.sock.makefile("rb")

    def send(self, line: dict[str, Any]) -> None:
        self.sock.sendall(ipc.encode_line(line))

    def send_fds(self, line: dict[str, Any], fds: list[int]) -> None:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
        self.sock.sendmsg([ipc.encode_line(line)], [rights])

    def receive(self, kind: str) -> dict[str, Any]:
        while data := self._lines.readline():
            line: dict[str, Any] = json.loads(data)
            if line["type"] == kind:
                return line
        raise AssertionError("the screen hung up")

    def stats_with(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for _ in range(8):
            if wanted(stats := self.receive("stats")):
                return stats
        raise AssertionError(f"not seen in 8 s; last: {stats}")

    def shown(self, at_least: int = 1) -> dict[str, Any]:
        """The first slot, once so many of its pictures were drawn."""

        def reached(stats: dict[str, Any]) -> bool:
            return bool(stats["slots"]) and all(s["frames_shown"] >= at_least for s in stats["slots"])

        first: dict[str, Any] = self.stats_with(reached)["slots"][0]
        return first

    def picture(self, path: Path) -> Image.Image:
        self.send({"type": "snapshot", "id": path.name, "path": str(path)})
        answer = self.receive("snapshot")
        assert answer["ok"], answer
        picture = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
        assert picture.size == (answer["width"], answer["height"])
        return picture

    def close(self) -> None:
        self._lines.close()
        self.sock.close()


class Camera:
    """What the media process does: fills its buffers at a steady rate until stopped."""

    def __init__(self, *pictures: Image.Image, fps: int = 15) -> None:
        self.writers = [FrameWriter() for _ in pictures]
        self.written = 0
        self._planes = [planes(picture) for picture in pictures]
        self._sizes = [picture.size for picture in pictures]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(1 / fps,), daemon=True)
        self._thread.start()

    @property
    def fds(self) -> list[int]:
        return [writer.fd for writer in self.writers]

    def _run(self, interval_s: float) -> None:
        while not self._ended.wait(interval_s):
            for writer, size, picture in zip(self.writers, self._sizes, self._planes, strict=True):
                writer.write(*size, picture, time.monotonic_ns())
            self.written += 1

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


def planes(picture: Image.Image) -> tuple[bytes, bytes, bytes]:
    """I420 as video has it: BT.601, luma 16 to 235, chroma 16 to 240."""
    y, u, v = picture.convert("YCbCr").split()
    half = ((picture.width + 1) // 2, (picture.height + 1) // 2)
    luma = y.point(lambda value: 16 + value * 219 / 255)
    u, v = (plane.resize(half).point(lambda value: 128 + (value - 128) * 224 / 255) for plane in (u, v))
    return luma.tobytes(), u.tobytes(), v.tobytes()


def coded(text: str, ground: str, *, module_px: int = 6, size: tuple[int, int] = (640, 360)) -> Image.Image:
    """A picture with a QR code in its upper left corner."""
    code = io.BytesIO()
    segno.make(text, error="m", micro=False).save(code, kind="png", scale=module_px, border=4)
    picture = Image.new("RGB", size, ground)
    picture.paste(Image.open(code).convert("RGB"), (8, 8))
    return picture


def codes(picture: Image.Image) -> set[str]:
    return {found.text for found in zxingcpp.read_barcodes(picture)}


_AS_FD_3 = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"


@dataclass
class Screen:
    process: subprocess.Popen[str]
    path: Path

    def neighbour(self) -> Neighbour:
        return Neighbour(self.path)


def start(path: Path, *arguments: str, driver: str = "dummy") -> Screen:
    listening = unix_socket.listen(path)
    fd = listening.fileno()
    command = [sys.executable, "-m", "diemcau_agent.screen", *arguments]
    environ = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _AS_FD_3, str(fd), *command],
        pass_fds=(fd,),
        stderr=subprocess.PIPE,
        text=True,
        env=environ | {"SDL_VIDEODRIVER": driver},
    )
    listening.close()
    return Screen(process, path)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    running = start(tmp_path / "run" / "screen.sock", "--width", "1280", "--height", "720")
    yield running
    running.process.kill()
    running.process.communicate()


def test_shows_answers_and_stops(screen: Screen, tmp_path: Path) -> None:
    unit = screen.neighbour()
    assert unit.receive("ready") == {"type": "ready", "width": 1280, "height": 720, "driver": "dummy"}
    assert unit.receive("stats")["slots"] == []
    starting = unit.picture(tmp_path / "starting.png")
    assert len(starting.getcolors(1 << 20) or []) > 20, (
        "something is on the screen before the unit has spoken"
    )

    unit.send(SHOW)
    idle = unit.picture(tmp_path / "idle.png")
    assert idle.tobytes() != starting.tobytes()
    unit.send({**SHOW, "view": "goodbye"})
    assert unit.picture(tmp_path / "goodbye.png").tobytes() != idle.tobytes()
    assert sorted(path.name for path in tmp_path.glob("*")) == [
        "goodbye.png",
        "idle.png",
        "run",
        "starting.png",
    ]

    begun = time.monotonic()
    screen.process.send_signal(signal.SIGTERM)
    assert screen.process.wait(5) == 0
    assert time.monotonic() - begun < 5


def test_pictures_are_shown_readable_and_counted(screen: Screen, tmp_path: Path) -> None:
    camera = Camera(coded("dc:a:1", "#335577"), coded("dc:b:2", "#775533"))
    unit, media = screen.neighbour(), screen.neighbour()
    unit.send(in_meeting("a", "b"))
    media.send_fds({"type": "frames", "slots": 2}, camera.fds)
    unit.shown()
    assert codes(unit.picture(tmp_path / "two.png")) == {"dc:a:1", "dc:b:2"}

    first, before = unit.receive("stats")["slots"], camera.written
    for _ in range(3):
        last = unit.receive("stats")["slots"]
    written = camera.written - before
    for old, new in zip(first, last, strict=True):
        assert new["frames_shown"] - old["frames_shown"] >= 0.9 * written - 1

    unit.send(in_meeting(None, "b"))
    picture = unit.picture(tmp_path / "one.png")
    assert codes(picture) == {"dc:b:2"}
    assert picture.getpixel((700, 300)) == pytest.approx((0x77, 0x55, 0x33), abs=6), "it has the whole area"
    camera.stop()


def test_counting_begins_anew_when_a_site_takes_a_slot(screen: Screen) -> None:
    camera = Camera(coded("dc:a:1", "#335577"), fps=25)
    unit, media = screen.neighbour(), screen.neighbour()
    unit.send(in_meeting("a"))
    media.send_fds({"type": "frames", "slots": 1}, camera.fds)
    unit.shown(40)
    unit.send(in_meeting("b"))
    slot = unit.stats_with(lambda stats: stats["slots"][0]["site"] == "b")["slots"][0]
    assert slot["frames_shown"] <= 30
    camera.stop()


@pytest.mark.parametrize("how", ["stalled", "gone"])
def test_a_picture_that_stopped_is_not_presented_as_live(screen: Screen, tmp_path: Path, how: str) -> None:
    camera = Camera(coded("dc:a:1", "#335577"))
    unit, media = screen.neighbour(), screen.neighbour()
    unit.send(in_meeting("a"))
    media.send_fds({"type": "frames", "slots": 1}, camera.fds)
    unit.shown()
    assert codes(unit.picture(tmp_path / "live.png"))
    camera.stop()
    if how == "gone":
        media.close()
    time.sleep(2.2 if how == "stalled" else 0.2)
    assert not codes(unit.picture(tmp_path / "card.png"))

    successor, again = Camera(coded("dc:a:2", "#335577")), screen.neighbour()
    again.send_fds({"type": "frames", "slots": 1}, successor.fds)
    time.sleep(0.5)
    assert codes(unit.picture(tmp_path / "again.png")) == {"dc:a:2"}
    successor.stop()


def test_goes_on_without_the_unit(screen: Screen, tmp_path: Path) -> None:
    unit = screen.neighbour()
    unit.send({**SHOW, "view": "goodbye"})
    before = unit.picture(tmp_path / "before.png")
    unit.close()
    assert screen.neighbour().picture(tmp_path / "after.png").crop((0, 64, 1280, 720)).tobytes() == (
        before.crop((0, 64, 1280, 720)).tobytes()
    )


def _wrong_size() -> int:
    fd = os.memfd_create("wrong")
    os.ftruncate(fd, SIZE - 1)
    return fd


def test_refuses_and_counts_garbage_and_goes_on(screen: Screen, tmp_path: Path) -> None:
    unit = screen.neighbour()
    unit.send(in_meeting("a"))
    expected = unit.picture(tmp_path / "before.png")
    bad = screen.neighbour()
    bad.send({"type": "frames", "slots": 1})
    unit.stats_with(lambda stats: stats["refused"] == {"line": 1})
    for data in (
        b"\xff\xfe\n",
        b"[]\n",
        b"[" * 30000 + b"\n",
        b"x" * 200_000 + b"\n",
        b'{"type":"dance"}\n',
        b'{"type":"snapshot","id":1}\n',
        json.dumps({**SHOW, "view": "party"}).encode() + b"\n",
        json.dumps({**SHOW, "language": "fr"}).encode() + b"\n",
        json.dumps({**SHOW, "view": "meeting"}).encode() + b"\n",
        json.dumps({**SHOW, "next": {"title": "x", "starts_at": "2026-03-12T01:00:00"}}).encode() + b"\n",
    ):
        bad.sock.sendall(data)
    writer = FrameWriter()
    reading, writing = os.pipe()
    bad.send_fds({"type": "frames", "slots": 2}, [writer.fd])
    bad.send_fds({"type": "frames", "slots": 1}, [writer.fd, writer.fd])
    bad.send_fds({"type": "frames", "slots": 3}, [writer.fd] * 3)
    bad.send_fds({"type": "frames", "slots": True}, [writer.fd])
    bad.send_fds({"type": "frames", "slots": 1}, [_wrong_size()])
    bad.send_fds({"type": "frames", "slots": 1}, [reading])
    bad.send_fds({"type": "show"}, [writer.fd])
    bad.send_fds({"type": "frames", "slots": 1}, [writer.fd] * 30)
    refused = unit.stats_with(lambda stats: sum(stats["refused"].values()) >= 21)["refused"]
    assert refused == {"json": 3, "size": 1, "line": 15, "descriptors": 2}
    changed = ImageChops.difference(unit.picture(tmp_path / "after.png"), expected).getbbox()
    assert changed is None or changed[3] <= TOP, "nothing but the clock above goes on"
    open_fds = Path(f"/proc/{screen.process.pid}/fd").iterdir()
    assert not [fd for fd in open_fds if "diemcau-frames" in str(fd.readlink())], (
        "refused descriptors are closed"
    )

    camera = Camera(coded("dc:a:1", "#335577"))
    bad.send_fds({"type": "frames", "slots": 1}, camera.fds)
    unit.shown()
    camera.stop()
    for fd in (reading, writing):
        os.close(fd)
    writer.close()


def test_says_why_a_snapshot_cannot_be_written(screen: Screen, tmp_path: Path) -> None:
    unit = screen.neighbour()
    (tmp_path / "file").write_text("")
    for path in (str(tmp_path / "none" / "x.png"), str(tmp_path / "file" / "x.png"), "x.png", "/x\0.png"):
        unit.send({"type": "snapshot", "id": 7, "path": path})
        answer = unit.receive("snapshot")
        assert (answer["id"], answer["ok"]) == (7, False)
        assert "cannot write the picture" in answer["error"]


def test_lives_while_there_is_no_television(tmp_path: Path) -> None:
    running = start(tmp_path / "screen.sock", driver="no-such-driver")
    unit = running.neighbour()
    assert unit.receive("ready")["driver"] == "no-such-driver"
    unit.send(SHOW)
    assert len(unit.picture(tmp_path / "idle.png").getcolors(1 << 20) or []) > 20
    running.process.kill()
    running.process.communicate()


def test_a_missing_font_is_named(tmp_path: Path) -> None:
    running = start(tmp_path / "screen.sock", "--fonts", str(tmp_path))
    _, errors = running.process.communicate(timeout=20)
    assert running.process.returncode == 3
    assert "NotoSans-Regular.ttf is missing" in errors


def test_usage_errors() -> None:
    for arguments in (["--width", "5"], ["--height", "x"], []):
        command = [sys.executable, "-m", "diemcau_agent.screen", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 2, done.stderr
