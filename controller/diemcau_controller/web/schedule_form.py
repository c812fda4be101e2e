"""The form of a meeting: from what is stored to what is shown, from what was typed to what is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from ..rules.refusals import Invalid
from ..rules.simple_repeat import WEEKDAYS, Every, SimpleRepeat, simple
from .form import Form

Values = dict[str, Any]
"""Field → text, or a list of texts for the fields in :data:`MANY`."""

MANY = ("days", "invite", "without")
_ONE = (
    *("title", "kind", "chair", "place", "notes", "date", "start", "end", "main_site", "mode"),
    *("classification", "security_subject", "subject_checked", "opens_before_s", "overrun_s"),
    *("repeat", "every_weeks", "month_day", "nth", "weekday", "ending", "until", "count", "rule"),
    *("version", "since", "scope", "find"),
)
FIELD_OF = {
    "starts_at": "start",
    "ends_at": "end",
    "duration_s": "end",
    "rrule": "repeat",
    "sites": "invite",
    "areas": "invite",
    "groups": "invite",
}
"""Where the form shows a mistake in a field of the API."""

_DIRECT = ("title", "kind", "main_site", "chair", "place", "notes", "mode", "classification")
_SECONDS = ("opens_before_s", "overrun_s")
_REPEATING = ("repeat", *_ONE[_ONE.index("every_weeks") : _ONE.index("rule") + 1], "days")


def blank(start: datetime, main_site: str) -> Values:
    """A form nobody has filled in."""
    values: Values = dict.fromkeys(_ONE, "") | {name: [] for name in MANY}
    values |= {
        "kind": "giao-ban",
        "date": start.date().isoformat(),
        "start": f"{start:%H:%M}",
        "end": f"{start + timedelta(minutes=90):%H:%M}",
        "main_site": main_site,
        "invite": ["all"],
        "mode": "here",
        "classification": "none",
        "opens_before_s": "600",
        "overrun_s": "1800",
        "scope": "from",
    }
    return values | _repeat(None, start, start)


def stored(known: Mapping[str, Any], start: datetime, invite: Iterable[str]) -> Values:
    """A meeting (settings in words of the API) at the date that begins at `start`, wall-clock time."""
    values = blank(start, str(known["main_site"]))
    values |= {name: str(known[name]) for name in (*_DIRECT, *_SECONDS, "version")}
    values["end"] = f"{start + timedelta(seconds=int(known['duration_s'])):%H:%M}"
    values["security_subject"] = "yes" if known["security_subject"] else ""
    values["invite"] = list(invite)
    return values | _repeat(known["rrule"], start, datetime.fromisoformat(known["starts_local"]))


def typed(sent: Form) -> Values:
    """What was sent, as it was typed."""
    values: Values = {name: sent[name] for name in _ONE}
    return values | {name: sent.all(name) for name in MANY}


def spec_of(values: Values) -> dict[str, Any]:
    """What :class:`MeetingSpec` is made of. Raises :class:`Invalid` for dates and numbers that are none."""
    start, end = _times(values)
    return {
        **{name: values[name] for name in _DIRECT},
        **{name: values[name] for name in _SECONDS},
        **invitation(values),
        "starts_at": start,
        "duration_s": int((end - start).total_seconds()),
        "rrule": rule_of(values, start.date()),
        "security_subject": bool(values["security_subject"]),
        "subject_checked": bool(values["subject_checked"]),
    }


def patch_of(values: Values, before: Values, *, running: bool) -> dict[str, Any]:
    """What :class:`MeetingPatch` is made of: only what differs from what is stored."""
    patch: dict[str, Any] = {"subject_checked": bool(values["subject_checked"])}
    if values["version"]:
        patch["version"] = values["version"]
    names = ("notes",) if running else (*_DIRECT, *_SECONDS)
    patch |= {name: values[name] for name in names if values[name] != before[name]}
    if not running and bool(values["security_subject"]) != bool(before["security_subject"]):
        patch["security_subject"] = bool(values["security_subject"])
    if sorted(values["invite"]) != sorted(before["invite"]) or values["without"]:
        patch |= invitation(values)
    if running:
        values = values | {name: before[name] for name in ("date", "start")}
    start, end = _times(values)
    if any(values[name] != before[name] for name in ("date", "start")):
        patch["starts_at"] = start
    if any(values[name] != before[name] for name in ("start", "end")):
        patch["duration_s"] = int((end - start).total_seconds())
    if not running and any(values[name] != before[name] for name in _REPEATING):
        rule = rule_of(values, start.date())
        if rule != rule_of(before, date.fromisoformat(before["date"])):
            patch["rrule"] = rule
    return patch


def invitation(values: Values) -> dict[str, Any]:
    """Sites, areas and groups from `all`, `area:…`, `group:…`, `site:…`; all of them null for everybody."""
    chosen: dict[str, list[str]] = {"site": [], "area": [], "group": []}
    for token in values["invite"]:
        kind, _, name = token.partition(":")
        if kind in chosen and name:
            chosen[kind].append(name)
    everybody = "all" in values["invite"]
    return {
        "sites": None if everybody else chosen["site"],
        "areas": None if everybody else chosen["area"],
        "groups": None if everybody else chosen["group"],
        "without": values["without"],
    }


def rule_of(values: Values, first: date) -> str | None:
    """The RRULE of what was chosen; None for a meeting held once."""
    if values["repeat"] == "rule":
        return values["rule"] or None
    if values["repeat"] not in list(Every):
        return None
    until = count = None
    if values["ending"] == "until":
        until = _date(values["until"], "until")
    elif values["ending"] == "count":
        count = _number(values["count"], "count", 1, 1000)
    return SimpleRepeat(
        Every(values["repeat"]),
        days=tuple(day for day in WEEKDAYS if day in values["days"]) or (WEEKDAYS[first.weekday()],),
        every_weeks=_number(values["every_weeks"] or "1", "repeat", 1, 2),
        month_day=_number(values["month_day"] or str(first.day), "repeat", -1, 31),
        nth=_number(values["nth"] or "1", "repeat", -1, 4),
        weekday=values["weekday"] if values["weekday"] in WEEKDAYS else WEEKDAYS[first.weekday()],
        until=until,
        count=count,
    ).rule()


def moved(values: Values, start: datetime) -> Values:
    """The same form at another time, as long as before."""
    length = timedelta(0)
    before, end = _times(values)
    length = end - before
    return values | {
        "date": start.date().isoformat(),
        "start": f"{start:%H:%M}",
        "end": f"{start + length:%H:%M}",
    }


def _repeat(rrule: str | None, start: datetime, first: datetime) -> Values:
    choice = simple(rrule, first) if rrule else None
    values: Values = {
        "repeat": "rule" if rrule else "once",
        "rule": rrule or "",
        "days": [WEEKDAYS[start.weekday()]],
        "every_weeks": "1",
        "month_day": str(start.day),
        "nth": str(min(4, (start.day - 1) // 7 + 1)),
        "weekday": WEEKDAYS[start.weekday()],
        "ending": "never",
        "until": "",
        "count": "",
    }
    if choice is None:
        return values
    values |= {"repeat": choice.every.value, "rule": "", "every_weeks": str(choice.every_weeks)}
    if choice.every is Every.WEEK:
        values["days"] = list(choice.days)
    elif choice.every is Every.MONTH_DAY:
        values["month_day"] = str(choice.month_day)
    elif choice.every is Every.MONTH_WEEKDAY:
        values |= {"nth": str(choice.nth), "weekday": choice.weekday}
    if choice.until is not None:
        values |= {"ending": "until", "until": choice.until.isoformat()}
    elif choice.count is not None:
        values |= {"ending": "count", "count": str(choice.count)}
    return values


def _times(values: Values) -> tuple[datetime, datetime]:
    day = _date(values["date"], "date")
    return _at(day, values["start"], "start"), _at(day, values["end"], "end")


def _date(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text[:20]!r} is no date", code="schedule.no_date", field=field) from None


def _at(day: date, text: str, field: str) -> datetime:
    try:
        if len(text) not in (5, 8):
            raise ValueError
        return datetime.fromisoformat(f"{day.isoformat()}T{text}")
    except ValueError:
        raise Invalid(f"{text[:20]!r} is no time of day", code="schedule.no_time", field=field) from None


def _number(text: str, field: str, least: int, most: int) -> int:
    try:
        number = int(text)
        if not least <= number <= most or number == 0:
            raise ValueError
    except ValueError:
        raise Invalid(
            f"{text[:20]!r} is no number from {least} to {most}",
            code="schedule.no_number",
            field=field,
            least=least,
            most=most,
        ) from None
    return number
