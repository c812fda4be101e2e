"""The border to the other processes of this unit: their lines, read field by field.

Every function raises :class:`Garbage`, and nothing else, for a line that is not what it should be.
"""

from __future__ import annotations

from typing import Any

from diemcau_agent.ipc import Garbage, Line

MAX_SLOTS = 4
MAX_VALUES = 40


def slots_shown(line: Line) -> list[tuple[str | None, int]]:
    """`stats` of the screen: per slot the site and the frames drawn of it."""
    return [(_site(slot), _count(slot, "frames_shown")) for slot in _objects(line, "slots", MAX_SLOTS)]


def slots_received(line: Line) -> list[tuple[str | None, int | None]]:
    """`stats` of media: per slot the site and the age of its last frame in ms, None without one."""
    found: list[tuple[str | None, int | None]] = []
    for slot in _objects(line, "slots", MAX_SLOTS):
        has_frames = _count(slot, "frames") > 0 and slot.get("age_ms") is not None
        found.append((_site(slot), _count(slot, "age_ms") if has_frames else None))
    return found


def measured(line: Line) -> tuple[str, dict[str, Any]]:
    """`measured` of media: the part, and at most 40 values of it that are plain."""
    values = line.get("values")
    if not isinstance(values, dict) or len(values) > MAX_VALUES:
        raise Garbage(f"values are not an object of at most {MAX_VALUES}")
    plain = str | int | float | bool | None
    return text(line, "part", 40), {
        key: value[:200] if isinstance(value, str) else value
        for key, value in values.items()
        if isinstance(value, plain)
    }


def flag(line: Line, key: str) -> bool:
    """A field that is true or false."""
    value = line.get(key)
    if not isinstance(value, bool):
        raise Garbage(f"{key} is neither true nor false")
    return value


def number(line: Line, key: str) -> int:
    """A whole number from 0 to 2**53."""
    return _count(line, key)


def text(line: Line, key: str, limit: int = 200) -> str:
    """A text, "" when it is missing, cut at `limit` characters."""
    value = line.get(key, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Garbage(f"{key} is not a text")
    return value.encode(errors="replace").decode()[:limit]


def _objects(line: Line, key: str, limit: int) -> list[dict[str, Any]]:
    value = line.get(key)
    if not isinstance(value, list) or len(value) > limit or not all(isinstance(v, dict) for v in value):
        raise Garbage(f"{key} is not a list of at most {limit} objects")
    return value


def _site(slot: dict[str, Any]) -> str | None:
    site = slot.get("site")
    if site is not None and not isinstance(site, str):
        raise Garbage("site is not a text")
    return site or None


def _count(part: dict[str, Any], key: str) -> int:
    value = part.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2**53:
        raise Garbage(f"{key} is not a number from 0")
    return int(value)
