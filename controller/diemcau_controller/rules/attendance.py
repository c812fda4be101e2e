"""What a site's part in a meeting came to, from the events and measurements its unit sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from statistics import median

_ENTERS = frozenset({"joined", "rejoined"})
_LEAVES = frozenset({"dropped", "left"})


@dataclass(frozen=True, slots=True)
class Step:
    """An event of a unit that bears on attendance: `joined`, `dropped`, `rejoined` or `left`."""

    at: datetime
    kind: str


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of presence. `until` is None while it lasts, or when the end was never told."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Attendance:
    """One site's presence in one meeting."""

    intervals: tuple[Interval, ...] = field(default=())
    drop_outs: int = 0
    left: bool = False

    @property
    def joined(self) -> bool:
        return bool(self.intervals)

    @property
    def present(self) -> bool:
        """In the meeting as far as we were told."""
        return bool(self.intervals) and self.intervals[-1].until is None

    def total(self, end: datetime) -> timedelta:
        """Time present, an open interval counted to `end`."""
        return sum(
            (max(timedelta(0), (span.until or end) - span.since) for span in self.intervals), timedelta(0)
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """A time for which a site had the floor. `until` is None while it has it."""

    site: str
    since: datetime
    until: datetime | None

    def seconds(self, end: datetime) -> float:
        """Its length, an open turn counted to `end`."""
        return max(0.0, ((self.until or end) - self.since).total_seconds())


@dataclass(frozen=True, slots=True)
class LineQuality:
    """Round-trip times to the coordinator's while a meeting ran, in milliseconds."""

    median_ms: float
    p95_ms: float
    samples: int


def attendance(steps: Iterable[Step]) -> Attendance:
    """Presence from events in the order of the unit's own sequence.

    A second `joined` without a `dropped` between means that the unit was cut off without a word: counted
    as a drop-out, its time of absence unknown. A `left` right after a `dropped` ends nothing twice.
    """
    spans: list[Interval] = []
    drop_outs = 0
    left = False
    for step in steps:
        inside = bool(spans) and spans[-1].until is None
        if step.kind in _ENTERS:
            left = False
            if inside:
                drop_outs += 1
                spans[-1] = Interval(spans[-1].since, step.at)
            spans.append(Interval(step.at, None))
        elif step.kind in _LEAVES:
            if inside:
                spans[-1] = Interval(spans[-1].since, step.at)
                drop_outs += step.kind == "dropped"
            left = left or step.kind == "left"
    return Attendance(tuple(spans), drop_outs, left)


def floor_turns(steps: Iterable[tuple[str, Step]]) -> list[Turn]:
    """Turns in the order they began, from each site's `floor_taken` and what ends it.

    The turn of a unit that was cut off ends when it is known to be out; one that is taken again without an
    end between goes on.
    """
    turns: list[Turn] = []
    open_turns: dict[str, int] = {}
    for site, step in steps:
        if step.kind == "floor_taken" and site not in open_turns:
            open_turns[site] = len(turns)
            turns.append(Turn(site, step.at, None))
        elif step.kind in ("floor_left", *_LEAVES) and site in open_turns:
            place = open_turns.pop(site)
            turns[place] = Turn(site, turns[place].since, max(step.at, turns[place].since))
    return sorted(turns, key=lambda turn: turn.since)


def line_quality(rtt_ms: Iterable[float]) -> LineQuality | None:
    """Median and 95th percentile (nearest rank); None without a measurement."""
    ordered = sorted(rtt_ms)
    if not ordered:
        return None
    p95 = ordered[ceil(0.95 * len(ordered)) - 1]
    return LineQuality(round(median(ordered), 1), round(p95, 1), len(ordered))
