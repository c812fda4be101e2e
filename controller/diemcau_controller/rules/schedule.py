"""When meetings take place: from a wall-clock announcement to occurrences in UTC.

An announcement repeats on the wall clock ("every Monday 08:00"), so it is expanded in local time first and
turned into UTC after; a day on which the clocks change moves nothing for the people in the room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from .refusals import Conflict, Invalid
from .repeat import repeat

HORIZON = timedelta(days=30)
CONFLICT_HORIZON = timedelta(days=366)
LATE_START = timedelta(minutes=1)  # an urgent meeting may be announced as "now" by a clock a little behind
LONGEST = timedelta(hours=24)
MOST_PER_HORIZON = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """A meeting as announced; `starts_local` is naive, in the coordinator's zone."""

    id: str
    title: str
    starts_local: datetime
    duration: timedelta
    opens_before: timedelta
    overrun: timedelta
    rrule: str | None
    main_site: str
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """One occurrence: its id and its times in UTC, opens ≤ starts < ends ≤ cap."""

    id: str
    opens_at: datetime
    starts_at: datetime
    ends_at: datetime
    cap_at: datetime


@dataclass(frozen=True, slots=True)
class Busy:
    """A span in which a site is taken by a meeting, in UTC."""

    site: str
    title: str
    starts_at: datetime
    ends_at: datetime


def check(plan: Plan, zone: tzinfo, now: datetime) -> None:
    """Refuse (:class:`Invalid`) a plan that cannot take place as announced."""
    if plan.duration <= timedelta(0):
        raise Invalid("the meeting ends before it starts: give an end after the start")
    if plan.duration > LONGEST:
        raise Invalid("the meeting is longer than 24 hours: give one meeting per day, or a repeat rule")
    if len(set(plan.sites)) != len(plan.sites):
        raise Invalid("a site is invited twice: name each site once")
    if plan.main_site not in plan.sites:
        raise Invalid(f"the main site {plan.main_site} is not among the invited sites: invite it too")
    if plan.rrule is None:
        starts_at = _to_utc(plan.starts_local, zone)
        if starts_at < now - LATE_START:
            raise Invalid(
                f"the meeting is in the past: it starts at {plan.starts_local:%Y-%m-%d %H:%M} local time; "
                "give a start from now on"
            )
    elif not expand(plan, zone, now, now + CONFLICT_HORIZON):
        raise Invalid("the repeat rule gives no meeting within a year: check its start, UNTIL and COUNT")


def expand(plan: Plan, zone: tzinfo, since: datetime, until: datetime) -> list[Times]:
    """Occurrences that can still be attended at `since` (cap after it) and start before `until`, in order.

    Raises :class:`Invalid` for a repeat rule that is not one, or that repeats more often than people meet.
    """
    reach = plan.duration + plan.overrun
    if plan.rrule is None:
        locals_: Iterable[datetime] = [plan.starts_local]
    else:
        low = _to_local(since - reach, zone) - timedelta(hours=2)  # clocks may jump in between
        high = _to_local(until, zone) + timedelta(hours=2)
        locals_ = repeat(plan.rrule, plan.starts_local, zone, high).between(low, high, inc=True)
    found = []
    for local in locals_:
        starts_at = _to_utc(local, zone)
        if starts_at + reach > since and starts_at < until:
            found.append(
                Times(
                    id=f"{plan.id}-{local:%Y%m%dT%H%M%S}",
                    opens_at=starts_at - plan.opens_before,
                    starts_at=starts_at,
                    ends_at=starts_at + plan.duration,
                    cap_at=starts_at + reach,
                )
            )
    days = max(1.0, (until - since) / timedelta(days=1))
    if len(found) > MOST_PER_HORIZON * max(1.0, days / HORIZON.days):
        raise Invalid("the repeat rule gives more than 100 meetings a month: repeat less often")
    return found


def conflict(plan: Plan, times: Sequence[Times], busy: Iterable[Busy], zone: tzinfo) -> None:
    """Refuse (:class:`Conflict`) a plan that takes a site while another meeting has it."""
    wanted = frozenset(plan.sites)
    for span in busy:
        if span.site not in wanted:
            continue
        for time in times:
            if time.starts_at < span.ends_at and span.starts_at < time.ends_at:
                local = _to_local(span.starts_at, zone)
                raise Conflict(
                    f"site {span.site} is already in the meeting “{span.title}” "
                    f"that starts {local:%Y-%m-%d %H:%M}: choose another time or leave the site out"
                )


def _to_utc(local: datetime, zone: tzinfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)


def _to_local(moment: datetime, zone: tzinfo) -> datetime:
    """Naive wall-clock time."""
    return moment.astimezone(zone).replace(tzinfo=None)
