"""When meetings take place: from a wall-clock announcement to occurrences in UTC.

An announcement repeats on the wall clock ("every Monday 08:00"), so it is expanded in local time first and
turned into UTC after; a day on which the clocks change moves nothing for the people in the room.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

from .exceptions import Moves, apply
from .refusals import Invalid
from .repeat import repeat

HORIZON = timedelta(days=30)
CONFLICT_HORIZON = timedelta(days=366)
LATE_START = timedelta(minutes=1)  # an urgent meeting may be announced as "now" by a clock a little behind
LONGEST = timedelta(hours=24)
MOST_PER_HORIZON = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """When a meeting is announced for; `starts_local` is naive, in the coordinator's zone.

    Occurrences are named after `id` and the wall-clock time they were announced for.
    """

    id: str
    starts_local: datetime
    duration: timedelta
    opens_before: timedelta
    overrun: timedelta
    rrule: str | None = None
    moves: Moves = field(default_factory=dict)

    @property
    def reach(self) -> timedelta:
        """From the start to the moment at which the meeting is cut."""
        return self.duration + self.overrun


@dataclass(frozen=True, slots=True)
class Times:
    """One occurrence: its id, the wall-clock time it was announced for, and its times in UTC.

    opens ≤ starts < ends ≤ cap.
    """

    id: str
    original: datetime
    opens_at: datetime
    starts_at: datetime
    ends_at: datetime
    cap_at: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """A time that a meeting takes, in UTC; `occurrence` names it."""

    meeting: str
    title: str
    occurrence: str
    starts_at: datetime
    ends_at: datetime


def check(plan: Plan, zone: tzinfo, now: datetime) -> None:
    """Refuse (:class:`Invalid`) a plan that cannot take place as announced."""
    check_length(plan.duration)
    if plan.rrule is None:
        for date in apply([plan.starts_local], plan.moves):
            check_not_past(date.local, zone, now)
        return
    times = expand(plan, zone, now, now + CONFLICT_HORIZON)
    if not times:
        raise Invalid(
            "the repeat rule gives no meeting within a year: check its start, UNTIL and COUNT",
            code="schedule.no_dates",
            field="rrule",
        )
    check_apart(times, zone)


def check_length(duration: timedelta) -> None:
    """Refuse a meeting that ends before it starts, or that is longer than a day."""
    if duration <= timedelta(0):
        raise Invalid(
            "the meeting ends before it starts: give an end after the start",
            code="schedule.ends_first",
            field="ends_at",
        )
    if duration > LONGEST:
        raise Invalid(
            "the meeting is longer than 24 hours: give one meeting per day, or a repeat rule",
            code="schedule.too_long",
            field="ends_at",
        )


def check_not_past(local: datetime, zone: tzinfo, now: datetime) -> None:
    """Refuse a start that is over by our clock."""
    if to_utc(local, zone) < now - LATE_START:
        raise Invalid(
            f"the meeting is in the past: it starts at {local:%Y-%m-%d %H:%M} local time; "
            "give a start from now on",
            code="schedule.past",
            field="starts_at",
            now=f"{to_local(now, zone):%H:%M}",
        )


def check_apart(times: Sequence[Times], zone: tzinfo) -> None:
    """Refuse a plan whose own dates overlap."""
    for earlier, later in pairwise(times):
        if later.starts_at < earlier.ends_at:
            local = to_local(later.starts_at, zone)
            raise Invalid(
                f"the meeting overlaps itself at {local:%Y-%m-%d %H:%M}: choose another time for that date",
                code="schedule.overlaps_itself",
                field="starts_at",
                date=local.isoformat(),
            )


def check_sites(main_site: str, sites: Sequence[str]) -> None:
    """Refuse (:class:`Invalid`) an invitation that is not one."""
    if len(set(sites)) != len(sites):
        raise Invalid("a site is invited twice: name each site once", field="sites")
    if main_site not in sites:
        raise Invalid(
            f"the main site {main_site} is not among the invited sites: invite it too", field="main_site"
        )


def expand(plan: Plan, zone: tzinfo, since: datetime, until: datetime) -> list[Times]:
    """Occurrences that can still be attended at `since` (cap after it) and start before `until`, in order.

    Raises :class:`Invalid` for a repeat rule that is not one, or that repeats more often than people meet.
    """
    announced: Iterable[datetime] = [plan.starts_local]
    if plan.rrule is not None:
        low = to_local(since - plan.reach, zone) - timedelta(hours=2)  # clocks may jump in between
        high = to_local(until, zone) + timedelta(hours=2)
        announced = repeat(plan.rrule, plan.starts_local, zone, high).between(low, high, inc=True)
    found = []
    for date in apply(announced, plan.moves):
        starts_at = to_utc(date.local, zone)
        if starts_at + plan.reach > since and starts_at < until:
            found.append(
                Times(
                    id=occurrence_id(plan.id, date.original),
                    original=date.original,
                    opens_at=starts_at - plan.opens_before,
                    starts_at=starts_at,
                    ends_at=starts_at + plan.duration,
                    cap_at=starts_at + plan.reach,
                )
            )
    days = max(1.0, (until - since) / timedelta(days=1))
    if len(found) > MOST_PER_HORIZON * max(1.0, days / HORIZON.days):
        raise Invalid(
            "the repeat rule gives more than 100 meetings a month: repeat less often",
            code="schedule.too_often",
            field="rrule",
        )
    return found


def announces(plan: Plan, original: datetime, zone: tzinfo) -> bool:
    """Whether the plan, exceptions apart, gives a date at this wall-clock time."""
    if plan.rrule is None:
        return original == plan.starts_local
    rule = repeat(plan.rrule, plan.starts_local, zone, original)
    return bool(rule.between(original, original, inc=True))


def occurrence_id(plan_id: str, original: datetime) -> str:
    """The name of a date, for ever."""
    return f"{plan_id}-{original:%Y%m%dT%H%M%S}"


def overlapping(times: Sequence[Times], spans: Iterable[Span]) -> list[Span]:
    """The spans in which one of these occurrences would take place, in the order of their start."""
    ends = [time.ends_at for time in times]  # in order, as the occurrences of one plan do not overlap
    found = []
    for span in spans:
        at = bisect_left(ends, span.starts_at)
        while at < len(times) and times[at].starts_at < span.ends_at:
            if span.starts_at < times[at].ends_at:
                found.append(span)
                break
            at += 1
    return sorted(found, key=lambda span: (span.starts_at, span.occurrence))


def to_utc(local: datetime, zone: tzinfo) -> datetime:
    """The moment of a wall-clock time."""
    return local.replace(tzinfo=zone).astimezone(UTC)


def to_local(moment: datetime, zone: tzinfo) -> datetime:
    """Naive wall-clock time."""
    return moment.astimezone(zone).replace(tzinfo=None)
