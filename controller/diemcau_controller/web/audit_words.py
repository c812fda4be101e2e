"""The list of changes in the words of the page: names for ids, times as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.controller import Controller
from ..store.tables import AuditRow, Group, Incident, Meeting
from .incident_parts import people
from .schedule_words import kind_text, repeat_text
from .words import Words

_LONGEST = 300
_LISTED = 8  # so many of a list are named, of those that came or went
_TECHNICAL = frozenset({"version", "sha256", "attachment", "id", "link", "stream"})  # says nothing to people
_SITES = frozenset({"site", "sites", "main_site", "speakers"})
_MEETINGS = frozenset({"meeting", "meetings"})
_PEOPLE = frozenset({"assignee", "gate_confirmed_by", "technician"})
# Fields whose value is a word of the program: where the page has the words for it.
_WORDS = {
    "role": ("page.role_",),
    "mode": ("schedule.mode_",),
    "classification": ("schedule.classification_",),
    "status": ("report.status_",),
    "kind": ("incidents.kind_",),
    "verb": ("audit.verb_",),
    "language": ("audit.language_",),
    "what": ("audit.what_",),
    "verdict": ("audit.verdict_",),
    "why": ("audit.why_",),
    "ended": ("audit.ended_",),
}
_DEVICES = frozenset({"camera", "microphone", "sound", "television", "buttons"})
_USUAL = frozenset({"none", "auto"})  # what stands there when nobody has chosen
_NO_ACCOUNT = frozenset({"system", "local", "chair"})  # who does something without being a user


@dataclass(frozen=True, slots=True)
class Names:
    """What ids are called. A unit is called after its site, an incident (`incidents`) by title or kind."""

    sites: Mapping[str, str]
    units: Mapping[str, str]
    areas: Mapping[str, str]
    groups: Mapping[str, str]
    meetings: Mapping[str, str]
    incidents: Mapping[str, tuple[str, str]]
    people: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing of a change. `before` or `after` is None where there was nothing to compare with."""

    name: str
    before: str | None
    after: str | None


def names_of(core: Controller, session: Session, rows: Sequence[AuditRow]) -> Names:
    """The names of what these changes are about."""
    fleet = core.fleet.now()
    ids = {_of_series(row.subject.partition(":")[2]) for row in rows if row.subject.startswith("meeting:")}
    for values in (side for row in rows for side in (row.before, row.after) if side):
        ids |= {_of_series(one) for key in _MEETINGS for one in _as_list(values.get(key))}
        ids.add(_of_series(str((values.get("args") or {}).get("meeting", ""))))
    titles = select(Meeting.id, Meeting.title).where(Meeting.id.in_(ids))
    about = {row.subject.partition(":")[2] for row in rows if row.subject.startswith("incident:")}
    incidents = select(Incident.id, Incident.title, Incident.kind).where(Incident.id.in_(about))
    return Names(
        sites={site.id: site.name for site in fleet.by_id.values()},
        units={site.unit.id: site.name for site in fleet.by_id.values() if site.unit is not None},
        areas={area.id: area.name for area in fleet.areas.values()},
        groups={id: name for id, name in session.execute(select(Group.id, Group.name))},
        meetings={id: title for id, title in session.execute(titles)},
        incidents={id: (title, kind) for id, title, kind in session.execute(incidents)},
        people=people(session),
    )


def change_line(words: Words, row: AuditRow, names: Names) -> dict[str, Any]:
    """A change in the words of the page."""
    kind, _, about = row.subject.partition(":")
    return {
        "at": row.at,
        "who": person(words, row.who, names),
        "action": did(words, row.action),
        "kind": _word(words, f"audit.kind_{kind}", kind),
        "subject": _subject(words, kind, about, names) or _own_name(row) or about,
        "raw": row.subject,
        "fields": list(_fields(words, row.before, row.after, names)),
        "changed": row.before is not None and row.after is not None,
    }


def did(words: Words, action: str) -> str:
    """`Sửa cuộc họp`."""
    return _word(words, f"audit.did_{action.replace('.', '_').replace('-', '_')}", action)


def person(words: Words, name: str, names: Names) -> str:
    """Whoever did it: a user by name, a hall, or what is nobody's account."""
    kind, _, site = name.partition(":")
    if kind == "hall" and site:
        return words("audit.who_hall", site=names.sites.get(site, site))
    if kind == "voucher" and site:
        return words("audit.who_voucher", voucher=site)
    if name in _NO_ACCOUNT:
        return words(f"audit.who_{name}")
    return names.people.get(name, name)


def _subject(words: Words, kind: str, about: str, names: Names) -> str:
    if kind == "meeting":
        return _meeting(words, about, names)
    if kind == "user":
        return person(words, about, names)
    if kind == "authority":
        return words("audit.roots")
    if kind == "incident" and about in names.incidents:
        title, of_kind = names.incidents[about]
        return f"{about} {title or _word(words, f'incidents.kind_{of_kind}', of_kind)}"
    by_kind = {"site": names.sites, "unit": names.units, "area": names.areas, "group": names.groups}
    return by_kind.get(kind, {}).get(about, "")


def _own_name(row: AuditRow) -> str:
    """What the change itself calls its subject: of what is gone nothing else is known."""
    return str((row.before or row.after or {}).get("name") or "")


def _fields(
    words: Words, before: dict[str, Any] | None, after: dict[str, Any] | None, names: Names
) -> Iterable[Field]:
    was, is_now = before or {}, after or {}
    for key in {**was, **is_now}:
        if key in _TECHNICAL:
            continue
        name = names.sites.get(key) or _word(words, f"audit.field_{key}", key)
        old, new = was.get(key), is_now.get(key)
        if before is None or after is None:
            value = new if before is None else old
            if value and not (key in _DEVICES and value in _USUAL):  # what is as always is not said
                text = _text(words, key, value, names)
                yield Field(name, None if before is None else text, text if before is None else None)
        elif isinstance(old, list) and isinstance(new, list):
            yield Field(name, None, _came_and_went(words, key, old, new, names))
        else:
            texts = _text(words, key, old, names), _text(words, key, new, names)
            if any(texts):
                yield Field(name, *texts)


def _came_and_went(words: Words, key: str, old: list[Any], new: list[Any], names: Names) -> str:
    """`thêm Ea Tar, Ea Kiết; bớt Quảng Hiệp`: of two long lists only what differs."""
    said = [
        words(f"audit.{what}", items=_list(words, key, some, names))
        for what, some in (
            ("came", [one for one in new if one not in old]),
            ("went", [one for one in old if one not in new]),
        )
        if some
    ]
    return "; ".join(said) or words("audit.reordered")


def _list(words: Words, key: str, items: list[Any], names: Names) -> str:
    texts = [_text(words, key, one, names) for one in items[:_LISTED]]
    more = [words.n("audit.more", len(items) - _LISTED)] if len(items) > _LISTED else []
    return ", ".join([*texts, *more])


def _text(words: Words, key: str, value: Any, names: Names) -> str:
    """A value as somebody would write it down; "" for none."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return words("audit.yes" if value else "audit.no")
    if isinstance(value, list):
        return _list(words, key, value, names)
    if isinstance(value, dict):
        return _group(words, key, value, names)
    if isinstance(value, int | float):
        return _number(words, key, value)
    return _short(_string(words, key, str(value), names))


def _group(words: Words, key: str, value: dict[str, Any], names: Names) -> str:
    """What belongs together: a picture's size and rate, somebody to call, the rest name by name."""
    if {"width", "height"} <= value.keys():
        parts = [f"{value['width']} × {value['height']}"]
        if "fps" in value:
            parts += [
                words("audit.per_second", n=value["fps"]),
                _number(words, "bitrate_bps", value["bitrate_bps"]),
            ]
        return ", ".join(parts)
    if key == "contacts":
        task = f" ({value['task']})" if value.get("task") else ""
        return f"{value.get('name', '')} {value.get('phone', '')}".strip() + task
    parts = [
        f"{_word(words, f'audit.field_{name}', name)} {text}"
        for name, one in value.items()
        if (text := _text(words, name, one, names))
    ]
    return _short(", ".join(parts))


def _number(words: Words, key: str, value: float) -> str:
    if key.endswith("_s"):
        return words.length(value)
    if key == "bitrate_bps":
        return f"{words.number(value / 1000)} kbit/s"
    if key == "size":
        return f"{words.number(max(1, value / 1024))} KB"
    return words.number(value)


def _string(words: Words, key: str, text: str, names: Names) -> str:
    if key in _SITES:
        return names.sites.get(text, text)
    if key in ("area", "parent"):
        return names.areas.get(text, text)
    if key in _MEETINGS:
        return _meeting(words, text, names)
    if key in _PEOPLE:
        return person(words, text, names)
    if key == "rrule":
        return repeat_text(words, text)
    if key.endswith(("_at", "_local")) or key == "date":
        return _moment(words, text)
    for beginning in _WORDS.get(key, ()):
        if words.has(beginning + text):
            return words(beginning + text)
    if key == "kind":
        return kind_text(words, text)
    return words(f"audit.value_{text}") if key in _DEVICES and text in _USUAL else text


def _meeting(words: Words, id: str, names: Names) -> str:
    """`Giao ban tuần`, and of one that is repeated the date that is meant."""
    title = names.meetings.get(_of_series(id))
    if title is None:
        return id
    try:
        date = datetime.fromisoformat(id.partition("-")[2]).replace(tzinfo=words.zone)
    except ValueError:
        return title
    return f"{title}, {words.date(date)}"


def _moment(words: Words, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=words.zone)
    return f"{words.time(moment)} {words.date(moment)}"


def _of_series(id: str) -> str:
    """The meeting's id, of one date of it."""
    return id.partition("-")[0]


def _as_list(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []


def _word(words: Words, key: str, raw: str) -> str:
    """The text of a key, or, for what has none, the API's own word."""
    return words(key) if words.has(key) else raw


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
