"""One cell of a table of sites: from what is written there to the value of a field, and back."""

from __future__ import annotations

import re
from typing import Any

from .naming import plain
from .wrong_site import Wrong

YES_NO = frozenset({"is_centre", "echo_cancellation", "check_tone", "room_pictures"})
_YES = frozenset({"1", "x", "co", "yes", "true", "dung"})
_NO = frozenset({"", "0", "khong", "no", "false", "sai"})
_LANGUAGES = {"vi": "vi", "tieng viet": "vi", "viet": "vi", "en": "en", "tieng anh": "en", "english": "en"}
_VIDEO = re.compile(r"(\d{1,5})\s*[x×]\s*(\d{1,5})(?:\s*@\s*(\d{1,3}))?(?:\s+(\d{1,6})\s*k)?", re.IGNORECASE)
_PERCENT = re.compile(r"(\d{1,3})(?:[.,]0)?\s*%?")
_TIME = re.compile(r"(\d{1,2})\s*(?::|h|giờ|g)\s*(\d{2})?'?(?::00)?", re.IGNORECASE)


class Unreadable(Exception):
    """A cell that says nothing we can read."""

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong.text)
        self.wrong = wrong


def read_cell(field: str, text: str) -> Any:
    """The value of a cell that is not empty, as a new site takes it. Raises :class:`Unreadable`.

    A number or a time of day nobody can read is left as it is: the site itself refuses it.
    """
    short = {"text": text[:40]}
    if field in YES_NO:
        if plain(text) in _YES | _NO:
            return plain(text) in _YES
        said = f"“{text[:40]}” is neither yes nor no: write x or leave it empty"
        raise Unreadable(Wrong(said, "table.yes_no", short))
    if field == "language":
        if plain(text) in _LANGUAGES:
            return _LANGUAGES[plain(text)]
        raise Unreadable(Wrong(f"“{text[:40]}” is no language: write vi or en", "table.language", short))
    if field in ("video", "screen"):
        if size := _VIDEO.fullmatch(text):
            return _size(size, whole=field == "video")
        said = f"“{text[:40]}” is no size: write 1280x720@30 2000k"
        raise Unreadable(Wrong(said, "table.size", short))
    if field == "volume_percent":
        percent = _PERCENT.fullmatch(text)
        return int(percent[1]) if percent else text
    if field == "morning_at":
        if plain(text) in _NO:
            return None
        time = _TIME.fullmatch(text)
        return f"{int(time[1]):02}:{time[2] or '00'}" if time else text
    return text


def write_cell(field: str, value: Any) -> str:
    """A value as :func:`read_cell` reads it back; `không` where an empty cell would mean the usual."""
    if field == "video":
        return f"{value['width']}x{value['height']}@{value['fps']} {value['bitrate_bps'] // 1000}k"
    if field == "screen":
        return f"{value['width']}x{value['height']}"
    if field == "is_centre":
        return "x" if value else ""
    if field in YES_NO:
        return "có" if value else "không"
    if value is None:
        return "không" if field == "morning_at" else ""
    return str(value)


def _size(found: re.Match[str], *, whole: bool) -> dict[str, int]:
    width, height, fps, kbit = found.groups()
    size = {"width": int(width), "height": int(height)}
    if whole and fps is not None:
        size["fps"] = int(fps)
    if whole and kbit is not None:
        size["bitrate_bps"] = int(kbit) * 1000
    return size
