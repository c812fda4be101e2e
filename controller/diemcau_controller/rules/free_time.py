"""When the invited halls are free instead: the way out of a conflict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta, tzinfo

from .schedule import Span, Times, overlapping, to_local, to_utc

STEP = timedelta(minutes=15)
OPENING, CLOSING = time(7, 0), time(17, 30)  # an office's day, for proposals only
LOOK_AHEAD_DAYS = 14


def next_free(
    times: Sequence[Times], spans: Sequence[Span], zone: tzinfo, now: datetime, *, same_day: bool
) -> datetime | None:
    """The wall-clock start, on or after the wanted one, at which none of `spans` stands in the way.

    `times` are the wanted occurrences (all are moved by the same amount), `spans` what the invited sites are
    taken by, from the first wanted day on. Only within the office's day, Saturday and Sunday only if the
    wanted day is one; with `same_day` (a repeat rule names days) no other day is tried. None: nothing found.
    """
    if not times:
        return None
    first = times[0]
    wanted = to_local(first.starts_at, zone)
    duration = first.ends_at - first.starts_at
    for days in range(1 if same_day else LOOK_AHEAD_DAYS):
        day = (wanted + timedelta(days=days)).date()
        if day.weekday() >= 5 and wanted.weekday() < 5:
            continue
        start = datetime.combine(day, OPENING)
        if days == 0:
            start = max(start, _on_step(wanted))
        last = max(datetime.combine(day, CLOSING) - duration, datetime.combine(day, OPENING))
        while start <= last:
            moment = to_utc(start, zone)
            if moment > now and not overlapping(_moved(times, moment - first.starts_at), spans):
                return start
            start += STEP
    return None


def _moved(times: Sequence[Times], by: timedelta) -> list[Times]:
    return [replace(each, starts_at=each.starts_at + by, ends_at=each.ends_at + by) for each in times]


def _on_step(moment: datetime) -> datetime:
    """Up to the next quarter of an hour."""
    midnight = datetime.combine(moment.date(), time())
    steps = -((midnight - moment) // STEP)
    return midnight + steps * STEP
