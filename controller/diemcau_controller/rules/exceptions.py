"""Dates of a meeting that are not held, or held at another time than announced.

An exception is known by the wall-clock time it was announced for; that time also names the occurrence, so
a moved one keeps its id, and with it its room, its links and its history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Date:
    """A wall-clock start: as announced (`original`) and as it is (`local`), both naive."""

    original: datetime
    local: datetime


Moves = Mapping[datetime, datetime | None]
"""From the announced start to the present one; None: not held."""


def apply(announced: Iterable[datetime], moves: Moves) -> list[Date]:
    """The dates that are held, in the order of their present start.

    Moved ones are given even where `announced` (a window of the rule) does not reach their original date:
    it is the present one that must lie in the window of whoever asks.
    """
    held = [Date(original, original) for original in announced if original not in moves]
    held += [Date(original, local) for original, local in moves.items() if local is not None]
    return sorted(held, key=lambda date: (date.local, date.original))
