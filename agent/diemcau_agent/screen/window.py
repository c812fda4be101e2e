"""The displays: a full-screen window on each shows the canvas, once there is a television to show it on."""

from __future__ import annotations

import ctypes
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .elements import Rect
from .sdl import core

log = logging.getLogger(__name__)

RETRY_S = 2.0
SETTLE_S = 0.3  # displays come and go in several steps
LARGEST = (1920, 1080)
DUMMY = "dummy"
_LIBRARIES = {"wayland": {"libEGL.so.1": "libegl1", "libGLESv2.so.2": "libgles2"}}
_DISPLAYS_CHANGED = (core.SDL_DISPLAYEVENT_CONNECTED, core.SDL_DISPLAYEVENT_DISCONNECTED)


def choose_driver(environ: Mapping[str, str], *, kms: bool) -> str:
    """SDL's video driver: the setting of the environment, else what is there, else `dummy`."""
    if chosen := environ.get("SDL_VIDEODRIVER"):
        return chosen
    if environ.get("WAYLAND_DISPLAY"):
        return "wayland"
    if environ.get("DISPLAY"):
        return "x11"
    return "kmsdrm" if kms else DUMMY


def has_kms(devices: Path = Path("/dev/dri")) -> bool:
    """True when this process may set modes on some graphics card."""
    return any(os.access(card, os.R_OK | os.W_OK) for card in devices.glob("card*"))


def missing_library(driver: str) -> str | None:
    """What has to be installed for drawing through this driver; None when all is there. Without it SDL does
    not refuse but crashes."""
    for library, package in _LIBRARIES.get(driver, {}).items():
        try:
            ctypes.CDLL(library)
        except OSError:
            return f"{library} is missing (Debian package {package})"
    return None


class Window:
    """Shows a surface on every display there is, each in a window of its own; on Wayland on the first. While
    there is none it tries again every two seconds and shows nothing."""

    def __init__(self, driver: str, width: int, height: int) -> None:
        self.driver = driver
        self._size = (width, height)
        self._windows: list[Any] = []
        self._before: list[Any] = []
        self._next_try = 0.0
        self._anew_at: float | None = None
        self._told = False
        self.redraw = False
        core.SDL_SetHint(core.SDL_HINT_NO_SIGNAL_HANDLERS, b"1")
        core.SDL_SetHint(core.SDL_HINT_VIDEO_ALLOW_SCREENSAVER, b"0")
        core.SDL_SetHint(core.SDL_HINT_VIDEO_MINIMIZE_ON_FOCUS_LOSS, b"0")
        if driver == "x11":
            # We draw in memory. SDL would take a detour over OpenGL to show it, and where that is done in
            # software it costs two and a half times the memory and the work (docs/benchmarks). On Wayland it
            # has no other way.
            core.SDL_SetHint(core.SDL_HINT_FRAMEBUFFER_ACCELERATION, b"0")
        elif driver == "wayland":
            # Small boards speak OpenGL ES. SDL would try desktop OpenGL before, and where that is not
            # installed it ends by a segmentation fault instead of trying the other.
            core.SDL_SetHint(core.SDL_HINT_FRAMEBUFFER_ACCELERATION, b"opengles2")
        os.environ["SDL_VIDEODRIVER"] = driver

    def open(self) -> bool:
        """Make sure that there is a window, if there can be one now. True when it is there."""
        if self._windows:
            return True
        if time.monotonic() < self._next_try:
            return False
        self._next_try = time.monotonic() + RETRY_S
        if core.SDL_InitSubSystem(core.SDL_INIT_VIDEO) != 0:
            return False
        if not self._make():
            core.SDL_QuitSubSystem(core.SDL_INIT_VIDEO)
            return False
        core.SDL_ShowCursor(core.SDL_DISABLE)
        return True

    def canvas_size(self) -> tuple[int, int]:
        """How large a canvas suits the first display: its own size, the asked one where that is too much
        work."""
        width, height = ctypes.c_int(), ctypes.c_int()
        if not self._windows:
            return self._size
        core.SDL_GetWindowSize(self._windows[0], width, height)
        if width.value <= LARGEST[0] and height.value <= LARGEST[1]:
            return width.value, height.value
        return self._size

    def come_to_front(self) -> None:
        """Be above whatever else was opened. A compositor for one program puts a new window on top, and
        does nothing when an old one asks for it."""
        if self._windows and self.driver == "wayland":
            self._anew_at = time.monotonic()

    def pump(self) -> None:
        """Handle what the displays say; afterwards `redraw` tells whether all must be shown again."""
        event = core.SDL_Event()
        while core.SDL_PollEvent(event):
            if event.type in (core.SDL_WINDOWEVENT, core.SDL_DISPLAYEVENT, core.SDL_RENDER_TARGETS_RESET):
                self.redraw = True
            if event.type == core.SDL_DISPLAYEVENT and event.display.event in _DISPLAYS_CHANGED:
                self._anew_at = time.monotonic() + SETTLE_S
        if self._anew_at is not None and time.monotonic() >= self._anew_at:
            self._anew_at = None
            self._make()

    def present(self, surface: Any, rect: Rect | None = None) -> None:
        """Show `surface`, or only the part of it in `rect`, which changed since the last time."""
        shown = [_present(window, surface, rect) for window in self._windows]
        if self._windows and not any(shown) and not self._told:
            log.warning(
                "nothing can be shown now", extra={"reason": core.SDL_GetError().decode(errors="replace")}
            )
        self._told = bool(shown) and not any(shown)
        while self._before:
            core.SDL_DestroyWindow(self._before.pop())

    def _make(self) -> bool:
        """A window for each display; those there were before go when the new ones have shown something."""
        before = self._windows
        displays = core.SDL_GetNumVideoDisplays()
        if self.driver == "wayland":
            displays = min(displays, 1)  # weston's kiosk shell puts every window on the first one
        made = [self._window_on(display) for display in range(displays)]
        self._windows = [window for window in made if window]
        if not self._windows:  # no display now: the old ones are shown again on the next
            self._windows = before
            return bool(before)
        self._before += before
        self.redraw = True
        return True

    def _window_on(self, display: int) -> Any:
        full = 0 if self.driver == DUMMY else core.SDL_WINDOW_FULLSCREEN_DESKTOP
        place = core.SDL_WINDOWPOS_CENTERED_DISPLAY(display)
        return core.SDL_CreateWindow(b"diemcau", place, place, *self._size, full | core.SDL_WINDOW_SHOWN)


def _present(window: Any, surface: Any, rect: Rect | None) -> bool:
    target = core.SDL_GetWindowSurface(window)
    if not target:  # the display went away; its return is an event
        return False
    same = (target.contents.w, target.contents.h) == (surface.contents.w, surface.contents.h)
    if not same:
        core.SDL_BlitScaled(surface, None, target, None)
        core.SDL_UpdateWindowSurface(window)
    elif rect is None:
        core.SDL_BlitSurface(surface, None, target, None)
        core.SDL_UpdateWindowSurface(window)
    else:
        area = core.SDL_Rect(rect.x, rect.y, rect.w, rect.h)
        core.SDL_BlitSurface(surface, area, target, core.SDL_Rect(rect.x, rect.y, rect.w, rect.h))
        core.SDL_UpdateWindowSurfaceRects(window, area, 1)
    return True
