"""Reading measured values: they crossed a border between processes, so whatever is odd counts as missing."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .fault import Measured, Part


def part(measured: Measured, name: str) -> Part | None:
    """What was measured of one part; None when it was not measured."""
    found = measured.get(name)
    return found if isinstance(found, Mapping) else None


def number(values: Part, key: str) -> float | None:
    """A finite number, None when there is none."""
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def flag(values: Part, key: str) -> bool | None:
    """True or false, None when it does not say."""
    value = values.get(key)
    return value if isinstance(value, bool) else None


def text(values: Part, key: str) -> str:
    """A text of at most 200 characters, "" when there is none."""
    value = values.get(key)
    return value[:200] if isinstance(value, str) else ""
