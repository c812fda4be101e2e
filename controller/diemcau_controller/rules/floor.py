"""Who is seen and heard in a meeting: the floor, and how it changes.

`speakers` is in the order they were granted, at most three; empty means silence. Each change raises `seq`,
by which units tell a newer floor from an older one.

A discussion (`open`) is the floor with fewer words from the chair: whoever raises a hand speaks at once
while fewer than three do; the next waits until somebody ends. Who is granted by the chair while three speak
takes the place of the one who has spoken longest, but never of the main site. Silence ends a discussion: one
who is muted by the chair must not come back by raising a hand.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from .refusals import Conflict, Invalid

MOST_SPEAKERS = 3


@dataclass(frozen=True, slots=True)
class Floor:
    """The floor of one meeting."""

    seq: int
    speakers: tuple[str, ...]
    open: bool = False

    def _next(self, *speakers: str) -> Floor:
        return replace(self, seq=self.seq + 1, speakers=speakers)


def default(main_site: str) -> Floor:
    """The floor a meeting starts with, and the one units fall back to: the main site."""
    return Floor(0, (main_site,))


def grant(floor: Floor, site: str, invited: Collection[str], main_site: str, *, add: bool = False) -> Floor:
    """Give the floor to `site`: alone, or (`add`, and always in a discussion) beside those who have it."""
    if site not in invited:
        raise Invalid(
            f"site {site} is not invited to this meeting: grant the floor to an invited site",
            code="floor.not_invited",
            site=site,
        )
    if not add and not floor.open:
        return floor._next(site)
    if site in floor.speakers:
        return floor._next(*floor.speakers)
    if len(floor.speakers) < MOST_SPEAKERS:
        return floor._next(*floor.speakers, site)
    if not floor.open:
        raise Conflict(
            f"{MOST_SPEAKERS} sites have the floor already: end one of them first",
            code="floor.full",
            n=MOST_SPEAKERS,
        )
    gives_way = next(speaker for speaker in floor.speakers if speaker != main_site)
    return floor._next(*(speaker for speaker in floor.speakers if speaker != gives_way), site)


def end(floor: Floor, site: str | None, main_site: str) -> Floor:
    """Take the floor from `site` (None: from everybody). When nobody is left the main site has it."""
    left = tuple(speaker for speaker in floor.speakers if site is not None and speaker != site)
    return floor._next(*(left or (main_site,)))


def mute_all(floor: Floor) -> Floor:
    """Silence: nobody is heard, the main site stays in the picture, a discussion is over."""
    return Floor(floor.seq + 1, ())


def open_discussion(floor: Floor) -> Floor:
    """Begin a discussion with those who speak now."""
    return replace(floor, seq=floor.seq + 1, open=True)


def close_discussion(floor: Floor, main_site: str) -> Floor:
    """End a discussion: the main site has the floor."""
    return Floor(floor.seq + 1, (main_site,))


def admit(floor: Floor, waiting: Sequence[str]) -> Floor:
    """In a discussion, let in those who wait, in their order, while there is room. Else as it was."""
    room = MOST_SPEAKERS - len(floor.speakers)
    admitted = [site for site in waiting if site not in floor.speakers][:room]
    return floor._next(*floor.speakers, *admitted) if floor.open and admitted else floor
