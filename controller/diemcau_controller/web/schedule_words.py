"""Meetings in words: when they repeat, where they are held, what somebody changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ..actions.change_meeting import ChangedMeanwhile
from ..rules.simple_repeat import Every, simple
from .words import Words

_FIELDS = (
    *(
        "title",
        "kind",
        "starts_local",
        "duration_s",
        "rrule",
        "main_site",
        "sites",
        "chair",
        "place",
        "notes",
    ),
    *("mode", "classification", "security_subject", "opens_before_s", "overrun_s", "gate_confirmed_by"),
)


def kind_text(words: Words, kind: str) -> str:
    """`Giao ban`; a kind without words of its own as it is written."""
    return words(f"schedule.kind_{kind}") if words.has(f"schedule.kind_{kind}") else kind


def repeat_text(words: Words, rrule: str | None, first: date | None = None) -> str:
    """`Hằng tuần vào thứ Hai, đến 31/12/2026`; a rule beyond the form's choices as it is written.

    `first` is the first date, which says on which day when the rule does not.
    """
    if not rrule:
        return words("schedule.once")
    choice = simple(rrule, first)
    if choice is None:
        return words("schedule.by_rule", rule=rrule)
    if choice.every is Every.DAY:
        text = words("schedule.daily")
    elif choice.every is Every.WEEK:
        days = words.list([words(f"schedule.day_{day}") for day in choice.days])
        text = words("schedule.weekly" if choice.every_weeks == 1 else "schedule.every_other_week", days=days)
    elif choice.every is Every.MONTH_DAY:
        last = choice.month_day == -1
        text = words("schedule.monthly_last") if last else words("schedule.monthly", day=choice.month_day)
    else:
        weekday, nth = words(f"schedule.day_{choice.weekday}"), words(f"schedule.nth_{choice.nth}")
        text = words("schedule.monthly_weekday", weekday=weekday, nth=nth)
    if choice.until is not None:
        day = choice.until
        text += words("schedule.until_day", day=f"{day.day}/{day.month}/{day.year}")
    elif choice.count is not None:
        text += words.n("schedule.so_many", choice.count)
    return text


def changes_of(words: Words, error: ChangedMeanwhile, names: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What somebody else changed: field, before, after."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    changes = error.values["changes"]
    assert isinstance(changes, list)
    for change in changes:
        for name in _FIELDS:
            if name in change["after"] or name in change["before"]:
                before.setdefault(name, change["before"].get(name))
                after[name] = change["after"].get(name)
    return [
        (
            words(f"schedule.field_{name}"),
            _value(words, name, before[name], names),
            _value(words, name, after[name], names),
        )
        for name in _FIELDS
        if name in after and before[name] != after[name]
    ]


def _value(words: Words, name: str, value: Any, names: Mapping[str, str]) -> str:
    if name == "sites":
        return words.n("schedule.n_sites", len(value or ()))
    if name == "main_site":
        return names.get(str(value), str(value))
    if name == "rrule":
        return repeat_text(words, value)
    if name == "kind":
        return kind_text(words, str(value))
    if name in ("duration_s", "opens_before_s", "overrun_s"):
        return words.length(float(value or 0))
    if name == "starts_local" and value:
        local = datetime.fromisoformat(str(value))
        return f"{local:%H:%M}, {local.day}/{local.month}/{local.year}"
    if name in ("mode", "classification"):
        return words(f"schedule.{name}_{value}")
    if name == "security_subject":
        return words("schedule.yes" if value else "schedule.no")
    return str(value) if value else words("schedule.nothing")
