"""What a remedy is, and what it may say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from diemcau_agent.unit.room import Room


class NotPossible(Exception):
    """The remedy cannot be tried here, and nothing was done; the text says why."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing software can do. `mend` does it, within 15 s, and says in a few words what it did; it raises
    :class:`NotPossible` where it cannot be tried, OSError where it went wrong. `does` is for the documents.

    Whether it helped is not for the remedy to say: the room is measured again.
    """

    name: str
    does: str
    mend: Callable[[Room], Awaitable[str]]
    at_most: int = 1
    """Tries within one check."""
