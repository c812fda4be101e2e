"""SDL2 as the screen uses it: loaded once, without the loader's remark about where it found it."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sdl2 as core
    from sdl2 import sdlimage as image
    from sdl2 import sdlttf as ttf

__all__ = ["MissingFont", "SdlError", "core", "image", "ttf"]


class SdlError(RuntimeError):
    """SDL refused; the text says what and why."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: {core.SDL_GetError().decode(errors='replace')}")


class MissingFont(RuntimeError):
    """A font file is not there or is not one."""
