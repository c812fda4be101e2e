"""The hall's screen under a real weston, what is really shown, also when it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from diemcau_agent import ipc
from diemcau_wire import unix_socket
from PIL import Image

BACKGROUND = (0x0B, 0x22, 0x39)
GROUND = (11, 18, 28)
PANEL = (22, 33, 48)
INI = Path(__file__).parents[2] / "agent" / "systemd" / "weston.ini"


@pytest.fixture
def compositor(tmp_path: Path) -> Iterator[dict[str, str]]:
    """weston as it is shipped, on a display of memory; gives its clients' environment."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    ini = tmp_path / "weston.ini"
    lines = INI.read_text(encoding="utf-8").splitlines()
    ini.write_text("\n".join(line for line in lines if "systemd-notify" not in line))
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "WAYLAND_DISPLAY": "wayland-0"}
    environ["SDL_VIDEODRIVER"] = "wayland"
    reading, writing = os.pipe()
    television = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x720x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as numbers:
        display = f":{numbers.readline().strip()}"
    weston = subprocess.Popen(
        [
            *("weston", "--backend=x11-backend.so", "--use-pixman", f"--config={ini}", "--no-input"),
            *("--socket=wayland-0", "--width=1280", "--height=720", "--debug"),
            f"--log={tmp_path / 'weston.log'}",
        ],
        env={**environ, "DISPLAY": display},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: (runtime / "wayland-0").exists())
    yield environ
    for process in (weston, television):
        process.terminate()
        process.wait(30)


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.2)


def shown(environ: dict[str, str], folder: Path) -> list[tuple[int, ...]]:
    """The colours in the top bar and low on the left, as the compositor puts them together."""
    for old in folder.glob("wayland-screenshot*"):
        old.unlink()
    subprocess.run(["weston-screenshooter"], env=environ, cwd=folder, check=True, timeout=60)
    (path,) = folder.glob("wayland-screenshot*.png")
    with Image.open(path) as picture:
        pixels = [picture.convert("RGB").getpixel(at) for at in ((640, 5), (20, 600))]
    return [pixel for pixel in pixels if isinstance(pixel, tuple)]


def test_it_is_shown_and_leaves_no_black_when_it_is_killed(
    compositor: dict[str, str], tmp_path: Path
) -> None:
    listening = unix_socket.listen(tmp_path / "screen.sock")
    screens = []

    def start() -> subprocess.Popen[bytes]:
        screen = subprocess.Popen(
            [sys.executable, "-m", "diemcau_agent.screen"],
            env=compositor,
            close_fds=False,
            preexec_fn=lambda: os.dup2(listening.fileno(), 3),
            stderr=subprocess.DEVNULL,
        )
        screens.append(screen)
        return screen

    try:
        first = start()
        eventually(lambda: shown(compositor, tmp_path)[1] == GROUND)
        first.kill()
        first.wait(10)
        eventually(lambda: shown(compositor, tmp_path) == [BACKGROUND, BACKGROUND])
        start()
        eventually(lambda: shown(compositor, tmp_path)[1] == GROUND)
        unit = unix_socket.connect(tmp_path / "screen.sock")
        for view in ("idle", "goodbye", "idle"):  # each comes to the front in a window of its own
            unit.sendall(ipc.encode_line({"type": "show", "view": view, "language": "vi"}))
            time.sleep(1)
            eventually(lambda: shown(compositor, tmp_path) == [PANEL, GROUND])
        unit.close()
    finally:
        for screen in screens:
            screen.kill()
            screen.wait(10)
        listening.close()
