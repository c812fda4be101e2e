"""The few ways in which offices repeat meetings, as choices of a form, to and from an RRULE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
NTHS = (1, 2, 3, 4, -1)


class Every(StrEnum):
    """What the form offers."""

    DAY = "day"
    WEEK = "week"
    MONTH_DAY = "month_day"
    MONTH_WEEKDAY = "month_weekday"


@dataclass(frozen=True, slots=True)
class SimpleRepeat:
    """Daily, weekly on `days`, monthly on `month_day` (-1: the last), or on the `nth` (-1: last) `weekday`.

    It ends never, with the day `until`, or after `count` meetings; `every_weeks` 2 is every other week.
    """

    every: Every
    days: tuple[str, ...] = ()
    every_weeks: int = 1
    month_day: int = 1
    nth: int = 1
    weekday: str = "MO"
    until: date | None = None
    count: int | None = None

    def rule(self) -> str:
        """The RRULE."""
        if self.every is Every.DAY:
            text = "FREQ=DAILY"
        elif self.every is Every.WEEK:
            days = [day for day in WEEKDAYS if day in self.days]
            interval = f";INTERVAL={self.every_weeks}" if self.every_weeks != 1 else ""
            text = f"FREQ=WEEKLY{interval};BYDAY={','.join(days)}"
        elif self.every is Every.MONTH_DAY:
            text = f"FREQ=MONTHLY;BYMONTHDAY={self.month_day}"
        else:
            text = f"FREQ=MONTHLY;BYDAY={self.nth}{self.weekday}"
        if self.until is not None:
            text += f";UNTIL={datetime.combine(self.until, time(23, 59, 59)):%Y%m%dT%H%M%S}"
        if self.count is not None:
            text += f";COUNT={self.count}"
        return text


def simple(rule: str, first: date | None = None) -> SimpleRepeat | None:
    """The choice that a (valid) RRULE is; None when it is more than the form offers.

    A rule that does not say on which day repeats on that of the `first` date (RFC 5545, 3.3.10).
    """
    parts = dict(part.split("=", 1) for part in rule.upper().removeprefix("RRULE:").split(";") if "=" in part)
    frequency = parts.pop("FREQ", "")
    parts.pop("WKST", None)
    count = parts.pop("COUNT", None)
    until = parts.pop("UNTIL", None)
    if until is not None and not until.endswith("T235959"):  # a form ends a series with a whole day
        return None
    last = datetime.fromisoformat(until).date() if until else None
    times = int(count) if count else None
    interval = parts.pop("INTERVAL", "1")
    by_day = parts.get("BYDAY", "")
    if first is not None and not parts and frequency in ("WEEKLY", "MONTHLY"):
        by_day = WEEKDAYS[first.weekday()]
        parts = {"BYDAY": by_day} if frequency == "WEEKLY" else {"BYMONTHDAY": str(first.day)}
    if frequency == "DAILY" and interval == "1":
        if not parts:
            return SimpleRepeat(Every.DAY, until=last, count=times)
        frequency = "WEEKLY"  # every day that is one of these
    if frequency == "WEEKLY" and parts.keys() == {"BYDAY"} and interval in ("1", "2"):
        days = tuple(by_day.split(","))
        if all(day in WEEKDAYS for day in days):
            return SimpleRepeat(Every.WEEK, days=days, every_weeks=int(interval), until=last, count=times)
    if frequency == "MONTHLY" and interval == "1":
        if parts.keys() == {"BYMONTHDAY"} and re.fullmatch(r"-1|[12]?\d|3[01]", parts["BYMONTHDAY"]):
            return SimpleRepeat(Every.MONTH_DAY, month_day=int(parts["BYMONTHDAY"]), until=last, count=times)
        nth = re.fullmatch(r"(-1|[1-4])(MO|TU|WE|TH|FR|SA|SU)", by_day)
        if parts.keys() == {"BYDAY"} and nth:
            return SimpleRepeat(Every.MONTH_WEEKDAY, nth=int(nth[1]), weekday=nth[2], until=last, count=times)
    return None


def ended_before(rule: str, day: datetime) -> str:
    """The same rule, ending before a wall-clock time."""
    parts = [part for part in rule.split(";") if not part.upper().startswith(("UNTIL=", "COUNT="))]
    return ";".join([*parts, f"UNTIL={day - timedelta(seconds=1):%Y%m%dT%H%M%S}"])


def continued(rule: str, held: int) -> str:
    """The same rule from a later date on, when `held` of its meetings lie before it."""
    return re.sub(
        r"COUNT=(\d+)", lambda count: f"COUNT={max(1, int(count[1]) - held)}", rule, flags=re.IGNORECASE
    )
