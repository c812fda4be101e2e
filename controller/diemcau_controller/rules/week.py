"""Weeks as offices plan them: from Monday on, by their ISO number."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from .refusals import Invalid

_FORM = re.compile(r"(\d{4})-W(\d{2})")


def week_of(day: date) -> str:
    """`2026-W12`."""
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"


def monday(text: str) -> date:
    """The first day of a week written `2026-W12`. Raises :class:`Invalid`."""
    match = _FORM.fullmatch(text)
    try:
        if match is None or not 1971 <= int(match[1]) <= 9990:
            raise ValueError
        return date.fromisocalendar(int(match[1]), int(match[2]), 1)
    except ValueError:
        raise Invalid(f"{text[:20]!r} is no week: write 2026-W12", code="schedule.no_week") from None


def days(first: date) -> list[date]:
    """The seven days from a Monday on."""
    return [first + timedelta(days=number) for number in range(7)]


def midnight(day: date) -> datetime:
    """Naive wall-clock time at which a day begins."""
    return datetime.combine(day, datetime.min.time())
