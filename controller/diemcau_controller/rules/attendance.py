"""What a site's part in a meeting came to, from the events its unit sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
