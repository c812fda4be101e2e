"""Which site goes first: rings (vòng) canary, early, all, and days on which nothing is flipped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

CANARY, EARLY, ALL = RINGS = ("canary", "early", "all")

_CANARIES_OF = 100  # one canary for each of so many sites
_MOST_CANARIES = 5
_EARLY_OF = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """A site with a unit. `chosen`: the ring somebody put it in, or None; `connected`: its unit is there."""

    site: str
    chosen: str | None
    connected: bool


def choose_rings(candidates: Iterable[Candidate]) -> dict[str, str]:
    """The ring of each site. What somebody chose stands; a ring nobody chose for is filled with sites whose
    units are connected, always the same ones first: one of 100 as canaries (1 to 5), one of 10 early."""
    sites = list(candidates)
    rings = {one.site: one.chosen for one in sites if one.chosen is not None}
    free = sorted((one for one in sites if one.chosen is None), key=_order)
    wanted = {
        CANARY: min(max(1, len(sites) // _CANARIES_OF), _MOST_CANARIES),
        EARLY: -(-len(sites) // _EARLY_OF),
    }
    for ring, number in wanted.items():
        if ring not in rings.values():
            rings |= {one.site: ring for one in free[:number]}
            free = free[number:]
    return rings | {one.site: ALL for one in free}


def frozen(freezes: Iterable[tuple[str, str]], since: datetime, until: datetime, zone: tzinfo) -> bool:
    """Whether any moment between is on a frozen day; each freeze is its first and last day, `2026-03-12`."""
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    return any(
        date.fromisoformat(start) <= last and first <= date.fromisoformat(end) for start, end in freezes
    )


def _order(one: Candidate) -> tuple[bool, str]:
    return not one.connected, hashlib.sha256(one.site.encode()).hexdigest()
