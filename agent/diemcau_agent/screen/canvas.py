"""The picture of the screen in memory: scenes painted into it, pictures copied into their holes.

The canvas is drawn by SDL's software renderer into a surface of our own. That way it lives whether or
not there is a display, what is painted stays painted, and a snapshot is exactly what is shown.
"""

from __future__ import annotations

import ctypes
import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..frames import Picture
from .elements import Box, Code, Drawing, Hole, Rect, Scene, Sign, Text
from .png import png_file
from .qr import module_size, modules
from .sdl import MissingFont, SdlError, core, image, ttf
from .theme import BLACK, FONTS, GROUND, WHITE, Colour, Face

_CACHED_TEXTURES = 256
_Piece = Text | Drawing | Box
_SIGNS = files("diemcau_agent.screen") / "signs"


class Canvas:
    """A picture of `width` × `height` pixels. Raises :class:`MissingFont` when a face is not there."""

    def __init__(self, width: int, height: int, fonts: Path = Path(FONTS)) -> None:
        self.width, self.height = width, height
        for face in Face:
            if not (fonts / face).is_file():
                raise MissingFont(f"font {fonts / face} is missing (Debian package fonts-noto-core)")
        if not ttf.TTF_WasInit() and ttf.TTF_Init() != 0:
            raise SdlError("cannot start SDL_ttf")
        core.SDL_SetYUVConversionMode(core.surface.SDL_YUV_CONVERSION_AUTOMATIC)  # BT.709 above 576 lines
        self._folder = fonts
        self._fonts: dict[tuple[Face, int], Any] = {}
        self.surface = core.SDL_CreateRGBSurfaceWithFormat(
            0, width, height, 32, core.SDL_PIXELFORMAT_XRGB8888
        )
        if not self.surface:
            raise SdlError(f"no surface of {width}x{height}")
        self._renderer = core.SDL_CreateSoftwareRenderer(self.surface)
        if not self._renderer:
            raise SdlError("no software renderer")
        self._textures: OrderedDict[_Piece, tuple[Any, int, int]] = OrderedDict()
        self._pictures: dict[int, tuple[Any, int, int]] = {}
        self.measure: Callable[[str, Face, int], int] = lru_cache(maxsize=8192)(self._measure)

    def close(self) -> None:
        """Give everything back to SDL."""
        for texture, _, _ in (*self._textures.values(), *self._pictures.values()):
            core.SDL_DestroyTexture(texture)
        for font in self._fonts.values():
            ttf.TTF_CloseFont(font)
        core.SDL_DestroyRenderer(self._renderer)
        core.SDL_FreeSurface(self.surface)

    # ── painting ─────────────────────────────────────────────────────────────────────────────────

    def paint(self, scene: Scene) -> None:
        """Paint the whole scene anew; holes get the last picture of their slot."""
        self._fill(Rect(0, 0, self.width, self.height), GROUND)
        for element in scene:
            match element:
                case Hole():
                    self.paint_picture(element)
                case Code(rect, address):
                    self._paint_code(rect, address)
                case Box(rect, colour, 0):
                    self._fill(rect, colour)
                case Box(rect, _, _):
                    self._copy(replace(element, rect=Rect(0, 0, rect.w, rect.h)), rect.x, rect.y)
                case Text() | Drawing():
                    self._copy(replace(element, x=0, y=0), element.x, element.y)
        core.SDL_RenderFlush(self._renderer)

    def paint_picture(self, hole: Hole) -> None:
        """Paint only the picture of one slot, in its own proportions, the largest that fits its hole."""
        held = self._pictures.get(hole.slot)
        if held is None:
            return
        texture, width, height = held
        scale = min(hole.rect.w / width, hole.rect.h / height)
        w, h = min(hole.rect.w, round(width * scale)), min(hole.rect.h, round(height * scale))
        if (w, h) != (hole.rect.w, hole.rect.h):
            self._fill(hole.rect, BLACK)
        place = core.SDL_Rect(
            hole.rect.x + (hole.rect.w - w) // 2, hole.rect.y + (hole.rect.h - h) // 2, w, h
        )
        core.SDL_RenderCopy(self._renderer, texture, None, place)
        core.SDL_RenderFlush(self._renderer)

    def take(self, slot: int, picture: Picture) -> None:
        """Keep `picture` as the one of `slot`."""
        held = self._pictures.get(slot)
        if held is None or held[1:] != (picture.width, picture.height):
            self.forget(slot)
            texture = core.SDL_CreateTexture(
                self._renderer,
                core.SDL_PIXELFORMAT_IYUV,
                core.SDL_TEXTUREACCESS_STREAMING,
                picture.width,
                picture.height,
            )
            if not texture:
                raise SdlError(f"no texture of {picture.width}x{picture.height}")
            core.SDL_SetTextureScaleMode(texture, core.SDL_ScaleModeLinear)
            self._pictures[slot] = held = (texture, picture.width, picture.height)
        chroma = (picture.width + 1) // 2
        luma_size, chroma_size = picture.width * picture.height, chroma * ((picture.height + 1) // 2)
        start = ctypes.cast(ctypes.c_char_p(picture.data), ctypes.c_void_p).value or 0
        y, u, v = (
            ctypes.cast(start + offset, ctypes.POINTER(ctypes.c_uint8))
            for offset in (0, luma_size, luma_size + chroma_size)
        )
        if core.SDL_UpdateYUVTexture(held[0], None, y, picture.width, u, chroma, v, chroma) != 0:
            raise SdlError("cannot take a picture")

    def forget(self, slot: int) -> None:
        """Drop the picture of `slot`."""
        held = self._pictures.pop(slot, None)
        if held is not None:
            core.SDL_DestroyTexture(held[0])

    def snapshot(self) -> bytes:
        """The canvas as a PNG file, exactly as it is shown."""
        stride = 1 + 3 * self.width  # each row begins with its filter, 0 for none
        rows = bytearray(stride * self.height)
        memory = (ctypes.c_uint8 * len(rows)).from_buffer(rows)
        first_pixel = ctypes.c_void_p(ctypes.addressof(memory) + 1)
        form = core.SDL_PIXELFORMAT_RGB24
        if core.SDL_RenderReadPixels(self._renderer, None, form, first_pixel, stride) != 0:
            raise SdlError("cannot read the canvas")
        return png_file(self.width, self.height, rows)

    # ── pieces ───────────────────────────────────────────────────────────────────────────────────

    def _fill(self, rect: Rect, colour: Colour) -> None:
        core.SDL_SetRenderDrawColor(self._renderer, *colour, 255)
        core.SDL_RenderFillRect(self._renderer, core.SDL_Rect(rect.x, rect.y, rect.w, rect.h))

    def _paint_code(self, rect: Rect, address: str) -> None:
        """Each run of dark squares as one rectangle, in the middle of a white card."""
        rows = modules(address)
        size = module_size(rows, rect.w)
        self._fill(rect, WHITE)
        margin = (rect.w - size * len(rows)) // 2
        for down, row in enumerate(rows):
            across = 0
            for dark, run in itertools.groupby(row):
                length = len(list(run))
                if dark:
                    x, y = rect.x + margin + across * size, rect.y + margin + down * size
                    self._fill(Rect(x, y, length * size, size), BLACK)
                across += length

    def _copy(self, piece: _Piece, x: int, y: int) -> None:
        """Copy `piece` to (x, y); its texture is kept for the next time."""
        held = self._textures.get(piece)
        if held is None:
            held = self._textures[piece] = self._texture(piece)
            if len(self._textures) > _CACHED_TEXTURES:
                core.SDL_DestroyTexture(self._textures.popitem(last=False)[1][0])
        self._textures.move_to_end(piece)
        texture, w, h = held
        core.SDL_RenderCopy(self._renderer, texture, None, core.SDL_Rect(x, y, w, h))

    def _texture(self, piece: _Piece) -> tuple[Any, int, int]:
        surface = self._rendered(piece) if isinstance(piece, Text) else _svg(piece)
        texture = core.SDL_CreateTextureFromSurface(self._renderer, surface)
        size = surface.contents.w, surface.contents.h
        core.SDL_FreeSurface(surface)
        if not texture:
            raise SdlError("no texture")
        return texture, *size

    def _font(self, face: Face, size: int) -> Any:
        font = self._fonts.get((face, size))
        if font is None:
            font = ttf.TTF_OpenFont(str(self._folder / face).encode(), size)
            if not font:
                raise MissingFont(
                    f"font {self._folder / face}: {ttf.TTF_GetError().decode(errors='replace')}"
                )
            self._fonts[face, size] = font
        return font

    def _measure(self, text: str, face: Face, size: int) -> int:
        width = ctypes.c_int()
        ttf.TTF_SizeUTF8(self._font(face, size), text.encode(), width, None)
        return width.value

    def _rendered(self, text: Text) -> Any:
        colour = core.SDL_Color(*text.colour, 255)
        font = self._font(text.face, text.size)
        surface = ttf.TTF_RenderUTF8_Blended(font, (text.text or " ").encode(), colour)
        if not surface:
            raise SdlError("cannot draw a text")
        return surface


@lru_cache(maxsize=len(Sign))
def _sign_source(sign: Sign) -> str:
    return (_SIGNS / f"{sign.value}.svg").read_text(encoding="utf-8")


def _svg(piece: Box | Drawing) -> Any:
    """A rounded box or a sign, drawn by SDL_image from SVG: smooth edges at every size."""
    if isinstance(piece, Box):
        w, h = piece.rect.w, piece.rect.h
        source = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}">'
            f'<rect width="{w}" height="{h}" rx="{piece.radius}" fill="{_hex(piece.colour)}"/></svg>'
        )
    else:
        w = h = piece.size
        source = _sign_source(piece.sign).replace("#ffffff", _hex(piece.colour))
    data = source.encode()
    surface = image.IMG_LoadSizedSVG_RW(core.SDL_RWFromConstMem(data, len(data)), w, h)
    if not surface:
        raise SdlError("cannot draw a sign")
    return surface


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
