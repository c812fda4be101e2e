"""Which slot is to be switched where: pure.

A slot is an m-line of the subscribing connection. It is moved between feeds by `switch`; with no site
to show it is parked on our own feed, sending nothing. When the feed a slot is on goes away, Janus makes
the m-line inactive for good, and only a fresh connection brings it back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

PICTURES, VOICES = 2, 3


@dataclass(frozen=True, slots=True)
class Slot:
    """The feed a slot is on (None: parked) and whether that feed has gone under it."""

    feed: str | None = None
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    """Put slot `index` on the feed of `site`; None parks it."""

    index: int
    site: str | None


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Make a new subscribing connection."""


def plan(
    wanted: Sequence[str | None], slots: Sequence[Slot], published: Sequence[Collection[str]]
) -> list[Switch] | Rebuild:
    """What brings `slots` to what is `wanted`, as far as that is published.

    All three are per slot; `published` holds the sites with a stream of that slot's kind.
    """
    switches = []
    for index, (want, slot) in enumerate(zip(wanted, slots, strict=True)):
        target = want if want is not None and want in published[index] else None
        if slot.dead:
            if target is not None:
                return Rebuild()
        elif slot.feed != target:
            switches.append(Switch(index, target))
    return switches


def assign(wanted: Sequence[str], current: Sequence[str | None]) -> list[str | None]:
    """Put `wanted` sites into as many slots as `current` has; who has a slot keeps it."""
    slots = [site if site in wanted else None for site in current]
    waiting = [site for site in dict.fromkeys(wanted) if site not in slots]
    for index, site in enumerate(slots):
        if site is None and waiting:
            slots[index] = waiting.pop(0)
    return slots
