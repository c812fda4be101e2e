"""Which display the screen uses."""

from __future__ import annotations

from pathlib import Path

import pytest
from diemcau_agent import ipc
from diemcau_agent.screen import window
from diemcau_agent.screen.canvas import Canvas
from diemcau_agent.screen.connections import Connections
from diemcau_agent.screen.hall_screen import HallScreen
from diemcau_agent.screen.theme import FONTS
from diemcau_agent.screen.window import Window, choose_driver, has_kms
from diemcau_wire import unix_socket


@pytest.mark.parametrize(
    ("environ", "kms", "driver"),
    [
        ({}, False, "dummy"),
        ({}, True, "kmsdrm"),
        ({"DISPLAY": ":0"}, True, "x11"),
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-1"}, False, "wayland"),
        ({"SDL_VIDEODRIVER": "offscreen", "DISPLAY": ":0"}, True, "offscreen"),
        ({"SDL_VIDEODRIVER": ""}, False, "dummy"),
    ],
)
def test_the_driver(environ: dict[str, str], kms: bool, driver: str) -> None:
    assert choose_driver(environ, kms=kms) == driver


def test_a_card_is_what_can_be_opened(tmp_path: Path) -> None:
    assert not has_kms(tmp_path / "none")
    assert not has_kms(tmp_path)
    (tmp_path / "card0").touch()
    assert has_kms(tmp_path)


def test_the_canvas_takes_the_size_of_the_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    connections = Connections(unix_socket.listen(tmp_path / "screen.sock"))
    screen = HallScreen(connections, Canvas(1280, 720), Window("dummy", 800, 600), Path(FONTS))
    screen.step()
    client = unix_socket.connect(tmp_path / "screen.sock")
    screen.step()
    ready = ipc.decode_line(client.makefile("rb").readline())
    assert (ready["width"], ready["height"]) == (800, 600)
    client.close()
    connections.close()


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "_LIBRARIES", {"wayland": {"libc.so.6": "libc6", "libno.so.1": "libno1"}})
    assert window.missing_library("wayland") == "libno.so.1 is missing (Debian package libno1)"
    assert window.missing_library("x11") is None
