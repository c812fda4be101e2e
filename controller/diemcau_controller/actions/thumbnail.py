"""A small picture of a hall's screen, made once from the large one the unit sent."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from .controller import Controller
from .receive_picture import picture_path

WIDTH, HEIGHT = 320, 180
_MOST_PIXELS = 3840 * 2160
_BROKEN = (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError)
_making = threading.Lock()  # one at a time: it is a second of work for a hundred, and memory for each


def thumbnail(controller: Controller, unit_id: str) -> Path | None:
    """Path of the WebP, at most 320 by 180 pixels, of the newest picture; None when there is none, or none
    that can be read. `unit_id` must have been checked. Takes up to 50 ms: not for the event loop."""
    large = picture_path(controller, unit_id)
    small = large.with_suffix(".webp")
    if not _newer(large, small):
        return small if small.exists() else None
    with _making:
        if _newer(large, small) and not _shrink(large, small):
            return None
    return small


def _newer(large: Path, small: Path) -> bool:
    try:
        return large.stat().st_mtime_ns > (small.stat().st_mtime_ns if small.exists() else -1)
    except FileNotFoundError:
        return False


def _shrink(large: Path, small: Path) -> bool:
    fresh = small.with_name(f".{small.name}.new")
    try:
        with Image.open(large, formats=["PNG"]) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                return False
            made_at = large.stat().st_mtime_ns
            shrunk = picture.convert("RGB")
        shrunk.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS, reducing_gap=2.0)
        shrunk.save(fresh, "WEBP", quality=70, method=4)
    except _BROKEN:
        fresh.unlink(missing_ok=True)
        return False
    os.utime(fresh, ns=(made_at, made_at))  # a picture that came meanwhile is newer than this
    fresh.replace(small)
    return True
