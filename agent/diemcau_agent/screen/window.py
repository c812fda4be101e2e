"""The display: a full-screen window that shows the canvas, whenever there is a television to show it on."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .elements import Rect
from .sdl import core

RETRY_S = 2.0
LARGEST = (1920, 1080)
DUMMY = "dummy"


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


class Window:
    """Shows a surface. While there is no display it tries again every two seconds and shows nothing."""

    def __init__(self, driver: str, width: int, height: int) -> None:
        self.driver = driver
        self._size = (width, height)
        self._window: Any = None
        self._next_try = 0.0
        self.redraw = False
        core.SDL_SetHint(core.SDL_HINT_NO_SIGNAL_HANDLERS, b"1")
        core.SDL_SetHint(core.SDL_HINT_VIDEO_ALLOW_SCREENSAVER, b"0")
        if driver in ("x11", "wayland"):
            # We draw in memory. SDL would take a detour over OpenGL to show it, and where that is done in
            # software it costs two and a half times the memory and the work (docs/benchmarks).
            core.SDL_SetHint(core.SDL_HINT_FRAMEBUFFER_ACCELERATION, b"0")
        os.environ["SDL_VIDEODRIVER"] = driver

    def open(self) -> bool:
        """Make sure that there is a window, if there can be one now. True when it is there."""
        if self._window:
            return True
        if time.monotonic() < self._next_try:
            return False
        self._next_try = time.monotonic() + RETRY_S
        if core.SDL_InitSubSystem(core.SDL_INIT_VIDEO) != 0:
            return False
        full = 0 if self.driver == DUMMY else core.SDL_WINDOW_FULLSCREEN_DESKTOP
        self._window = core.SDL_CreateWindow(b"diemcau", 0, 0, *self._size, full | core.SDL_WINDOW_SHOWN)
        if not self._window:
            core.SDL_QuitSubSystem(core.SDL_INIT_VIDEO)
            return False
        core.SDL_ShowCursor(core.SDL_DISABLE)
        self.redraw = True
        return True

    def canvas_size(self) -> tuple[int, int]:
        """How large a canvas suits the display: its own size, the asked one where that is too much work."""
        width, height = ctypes.c_int(), ctypes.c_int()
        if not self._window:
            return self._size
        core.SDL_GetWindowSize(self._window, width, height)
        if width.value <= LARGEST[0] and height.value <= LARGEST[1]:
            return width.value, height.value
        return self._size

    def pump(self) -> None:
        """Handle what the display says; afterwards `redraw` tells whether all must be shown again."""
        event = core.SDL_Event()
        while self._window and core.SDL_PollEvent(event):
            if event.type in (core.SDL_WINDOWEVENT, core.SDL_DISPLAYEVENT, core.SDL_RENDER_TARGETS_RESET):
                self.redraw = True
            if event.type == core.SDL_DISPLAYEVENT and event.display.event == core.SDL_DISPLAYEVENT_CONNECTED:
                core.SDL_SetWindowFullscreen(self._window, 0)
                core.SDL_SetWindowFullscreen(self._window, core.SDL_WINDOW_FULLSCREEN_DESKTOP)

    def present(self, surface: Any, rect: Rect | None = None) -> None:
        """Show `surface`, or only the part of it in `rect`, which changed since the last time."""
        if not self._window:
            return
        target = core.SDL_GetWindowSurface(self._window)
        if not target:  # the display went away; its return is an event
            return
        same = (target.contents.w, target.contents.h) == (surface.contents.w, surface.contents.h)
        if not same:
            core.SDL_BlitScaled(surface, None, target, None)
            core.SDL_UpdateWindowSurface(self._window)
        elif rect is None:
            core.SDL_BlitSurface(surface, None, target, None)
            core.SDL_UpdateWindowSurface(self._window)
        else:
            area = core.SDL_Rect(rect.x, rect.y, rect.w, rect.h)
            core.SDL_BlitSurface(surface, area, target, core.SDL_Rect(rect.x, rect.y, rect.w, rect.h))
            core.SDL_UpdateWindowSurfaceRects(self._window, area, 1)
