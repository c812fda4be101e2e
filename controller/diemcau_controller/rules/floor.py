"""Who is seen and heard in a meeting: the floor, and how it changes.

`speakers` is in the order they were granted, at most three; empty means silence. Each change raises `seq`,
by which units tell a newer floor from an older one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .refusals import Conflict, Invalid

MOST_SPEAKERS = 3


@dataclass(frozen=True, slots=True)
class Floor:
    """The floor of one meeting."""

    seq: int
    speakers: tuple[str, ...]


def default(main_site: str) -> Floor:
    """The floor a meeting starts with, and the one units fall back to: the main site."""
    return Floor(0, (main_site,))


def grant(floor: Floor, site: str, invited: Collection[str], *, add: bool = False) -> Floor:
    """Give the floor to `site`, alone or (`add`) beside those who have it."""
    if site not in invited:
        raise Invalid(f"site {site} is not invited to this meeting: grant the floor to an invited site")
    if not add:
        return Floor(floor.seq + 1, (site,))
    if site in floor.speakers:
        return Floor(floor.seq + 1, floor.speakers)
    if len(floor.speakers) >= MOST_SPEAKERS:
        raise Conflict(f"{MOST_SPEAKERS} sites have the floor already: end one of them first")
    return Floor(floor.seq + 1, (*floor.speakers, site))


def end(floor: Floor, site: str | None, main_site: str) -> Floor:
    """Take the floor from `site` (None: from everybody). When nobody is left the main site has it."""
    left = tuple(speaker for speaker in floor.speakers if site is not None and speaker != site)
    return Floor(floor.seq + 1, left or (main_site,))


def mute_all(floor: Floor) -> Floor:
    """Silence: nobody is heard, the main site stays in the picture."""
    return Floor(floor.seq + 1, ())
