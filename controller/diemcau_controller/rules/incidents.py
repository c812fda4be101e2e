"""When something that went wrong becomes an incident, and which incident comes first.

One broken line shall not ring 300 times: a site has at most one open incident of a kind, later signs are
added to it; sites that go together make one incident of all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .actor import OUTSIDE, Actor, Role

PATIENCE = timedelta(seconds=60)  # a site that is back within it was not lost
TOGETHER = timedelta(minutes=2)
MANY = 5
REPEATED = 3
REPEATED_WITHIN = timedelta(minutes=10)
FRESH = timedelta(minutes=30)  # an event that comes later than this opens nothing any more
MOST_EVIDENCE = 40

# Why media ends when the line is broken: that is no fault of the program.
_LINE_FAULTS = frozenset({"janus_lost", "join_refused", "no_media"})


class Kind(StrEnum):
    """What is wrong, as people at a site would say it; from the gravest to the least."""

    CONNECTION = "connection"
    NO_SOUND = "no_sound"
    NO_PICTURE = "no_picture"
    POWER = "power"
    SOFTWARE = "software"
    OTHER = "other"


class Which(StrEnum):
    """Open incidents, closed ones, or both."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


_GRAVITY = {kind.value: place for place, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Outage:
    """A site that was in a running meeting and is out of it, without having left."""

    site: str
    since: datetime
    meeting: str | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """The open incident of many sites: when its first and its newest site went."""

    first: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What outages come to: incidents of their own, one of many together, sites that join the shared one."""

    alone: tuple[Outage, ...] = ()
    together: tuple[Outage, ...] = ()
    joining: tuple[Outage, ...] = ()


def kind_of_event(event: str, data: Mapping[str, Any]) -> Kind | None:
    """The kind of incident an event of a unit is a sign of; None for one that is no sign of any."""
    if event == "camera_lost":
        return Kind.NO_PICTURE
    if event == "microphone_lost":
        return Kind.NO_SOUND
    if event == "process_ended" and data.get("why") not in _LINE_FAULTS:
        return Kind.SOFTWARE
    return None


def opens(kind: Kind, at: datetime, now: datetime, earlier: Iterable[datetime]) -> bool:
    """Does a sign open an incident? `earlier` are the times of earlier signs of that kind at the site.

    A lost camera does at once; a process that died only the third time within ten minutes.
    """
    if now - at > FRESH:
        return False
    if kind is not Kind.SOFTWARE:
        return True
    recent = sum(timedelta(0) <= at - one <= REPEATED_WITHIN for one in earlier)
    return recent + 1 >= REPEATED


def plan_outages(
    outages: Collection[Outage], covered: Collection[str], shared: Shared | None, now: datetime
) -> Plan:
    """What to do about sites that are out. `covered` have an open incident about it already."""
    due = sorted(
        (one for one in outages if one.site not in covered and now - one.since >= PATIENCE),
        key=lambda one: (one.since, one.site),
    )
    joining, rest = [], []
    for one in due:
        if shared is not None and shared.first - TOGETHER <= one.since <= shared.newest + TOGETHER:
            joining.append(one)
            shared = Shared(min(shared.first, one.since), max(shared.newest, one.since))
        else:
            rest.append(one)
    times = sorted(one.since for one in outages)
    together = tuple(one for one in rest if _at_once(one.since, times) >= MANY)
    if shared is not None and together:  # one incident of many at a time
        return Plan(tuple(one for one in rest if one not in together), (), (*joining, *together))
    return Plan(tuple(one for one in rest if one not in together), together, tuple(joining))


def _at_once(since: datetime, times: Iterable[datetime]) -> int:
    return sum(abs(one - since) <= TOGETHER for one in times)


def urgency(
    kind: str, opened_at: datetime, *, in_meeting: bool, sites: int
) -> tuple[bool, bool, int, datetime]:
    """Sort key of open incidents, the worst first: in a meeting that runs, of many sites, grave, old."""
    return (not in_meeting, sites == 1, _GRAVITY.get(kind, len(_GRAVITY)), opened_at)


def may_see(who: Actor, sites: Iterable[str], assignee: str | None) -> bool:
    """A contractor sees what is assigned to it, everybody else what is about a site in scope."""
    if who.role in OUTSIDE:
        return assignee == who.name
    return who.sees_any(sites)


def may_note(who: Actor, assignee: str | None) -> bool:
    """Who may add to an incident: a secretary and above, and whoever shall see to it."""
    return who.may(Role.SECRETARY) or assignee == who.name
