"""Repeat rules (RFC 5545, RRULE), by python-dateutil, kept to what offices use and what surely ends.

dateutil searches a rule that never comes true (30 February) day by day to the year 9999, and one with
INTERVAL=0 for ever; so parts and numbers are checked before it sees them.
"""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime, tzinfo

from dateutil.rrule import rrule, rrulestr

from .refusals import Invalid

_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_PARTS = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS", "WKST"}
)
_NUMBERS = {"INTERVAL": (1, 1000), "COUNT": (1, 10_000), "BYMONTH": (1, 12), "BYMONTHDAY": (-31, 31)}
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FORM = re.compile(r"(RRULE:)?[A-Z]+=[A-Z0-9,+-]+(;[A-Z]+=[A-Z0-9,+-]+)*", re.IGNORECASE)


def repeat(text: str, first: datetime, zone: tzinfo, until: datetime) -> rrule:
    """The rule from `first` on, up to `until` (both naive, local). Raises :class:`Invalid`."""
    parts = _parsed(text)
    if "UNTIL" in parts:
        parts["UNTIL"] = _local_until(parts["UNTIL"], zone)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # COUNT and UNTIL together: meant here
            rule = rrulestr(";".join(f"{key}={value}" for key, value in parts.items()), dtstart=first)
            if not isinstance(rule, rrule):
                raise ValueError("one rule only")
            own = rule._until  # type: ignore[attr-defined]
            return rule.replace(until=min(own, until) if own else until)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise Invalid(f"the repeat rule is not an RRULE of RFC 5545: {error}"[:300]) from None


def _parsed(text: str) -> dict[str, str]:
    """The parts of a rule whose search ends."""
    if len(text) > 500 or not _FORM.fullmatch(text):
        raise Invalid("the repeat rule is not an RRULE of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO")
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix("RRULE:").split(";"):
        key, _, value = part.partition("=")
        if key not in _PARTS or key in parts:
            raise Invalid(f"the repeat rule cannot have {key} (again): it takes {', '.join(sorted(_PARTS))}")
        parts[key] = value
    frequency = parts.get("FREQ")
    if frequency not in _FREQUENCIES:
        raise Invalid(f"the repeat rule repeats {frequency}: it must be one of {', '.join(_FREQUENCIES)}")
    for key, (low, high) in _NUMBERS.items():
        if not all(low <= number <= high and number for number in _numbers(parts, key)):
            raise Invalid(f"the repeat rule has a wrong {key}: {parts[key]}"[:200])
    if "BYSETPOS" in parts and frequency not in ("MONTHLY", "YEARLY"):
        raise Invalid("the repeat rule can have BYSETPOS only with MONTHLY or YEARLY")
    if frequency == "DAILY" and "BYDAY" in parts and parts.get("INTERVAL", "1") != "1":
        raise Invalid("the repeat rule counts days and names weekdays: use WEEKLY")
    months = _numbers(parts, "BYMONTH") or list(range(1, 13))
    days = _numbers(parts, "BYMONTHDAY")
    if days and not any(abs(day) <= _DAYS_IN_MONTH[month - 1] for day in days for month in months):
        raise Invalid("the repeat rule names a day that none of its months has")
    return parts


def _numbers(parts: dict[str, str], key: str) -> list[int]:
    try:
        return [int(number) for number in parts[key].split(",")] if key in parts else []
    except ValueError:
        raise Invalid(f"the repeat rule has a wrong {key}: {parts[key]}"[:200]) from None


def _local_until(text: str, zone: tzinfo) -> str:
    if not text.endswith("Z"):
        return text
    try:
        utc = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Invalid(f"the repeat rule ends at {text}, which is no date") from None
    return utc.astimezone(zone).strftime("%Y%m%dT%H%M%S")
