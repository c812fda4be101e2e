"""The list of changes, for administrators: who, when, what, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.find_changes import Wanted, find_changes, known_words
from ..api.access import Core
from ..store.tables import AuditRow, Meeting, Site
from .access import AdministratorPage
from .page import render, words_of
from .words import Words

router = APIRouter(include_in_schema=False)

_LONGEST = 300


@router.get("/audit")
def audit(
    request: Request,
    core: Core,
    who: AdministratorPage,
    user: str = "",
    action: str = "",
    subject: str = "",
    since: str = "",
    until: str = "",
    page: str = "1",
) -> Response:
    """A page of changes, narrowed by what is asked for. A day that is none is told beside its field."""
    words, errors = words_of(request), {}
    days: dict[str, date | None] = {}
    for name, text in (("since", since), ("until", until)):
        try:
            days[name] = date.fromisoformat(text) if text else None
        except ValueError:
            days[name], errors[name] = None, words("refusal.field_date")
    wanted = Wanted(user[:120], action[:120], subject.strip()[:120], days["since"], days["until"])
    number = int(page) if page.isdecimal() and len(page) < 7 else 1
    with core.database.read() as session:
        found = find_changes(session, who, wanted, max(1, number), core.settings.zone)
        people, actions = known_words(session)
        names = _names(session, found.rows)
    asked = {"user": user, "action": action, "subject": subject, "since": since, "until": until}
    return render(
        request,
        "users/audit.html",
        changes=[change_line(words, row, names) for row in found.rows],
        found=found,
        asked=asked,
        errors=errors,
        people=people,
        actions=[(one, _action(words, one)) for one in actions],
        address=f"/audit?{urlencode({key: text for key, text in asked.items() if text})}&",
    )


def change_line(words: Words, row: AuditRow, names: dict[str, str]) -> dict[str, Any]:
    """A change in the words of the page: `fields` are (name, before, after), each "" where there was none."""
    kind, _, about = row.subject.partition(":")
    before, after = row.before or {}, row.after or {}
    changed = row.before is not None and row.after is not None
    fields = [
        (_field(words, key), _text(words, key, before.get(key)), _text(words, key, after.get(key)))
        for key in {**before, **after}
    ]
    return {
        "at": row.at,
        "who": row.who,
        "action": _action(words, row.action),
        "kind": _word(words, f"audit.kind_{kind}", kind),
        "subject": names.get(row.subject, about),
        "raw": row.subject,
        "fields": [field for field in fields if changed or field[1] or field[2]],
        "changed": changed,
    }


def _action(words: Words, action: str) -> str:
    return _word(words, f"audit.did_{action.replace('.', '_').replace('-', '_')}", action)


def _field(words: Words, name: str) -> str:
    return _word(words, f"audit.field_{name}", name)


def _word(words: Words, key: str, raw: str) -> str:
    """The text of a key, or, for what has none, the API's own word."""
    return words(key) if words.has(key) else raw


def _text(words: Words, name: str, value: Any) -> str:
    """A value as somebody would write it down; "" for none."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return words("audit.yes" if value else "audit.no")
    if isinstance(value, list):
        return _short("; ".join(_text(words, name, one) for one in value))
    if isinstance(value, dict):
        parts = ((_field(words, key), _text(words, key, one)) for key, one in value.items())
        return _short(", ".join(f"{key} {text}" for key, text in parts if text))
    if name == "role":
        return _word(words, f"page.role_{value}", str(value))
    if name.endswith(("_at", "_local")):
        return _moment(words, str(value))
    return _short(str(value))


def _moment(words: Words, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _short(text)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=words.zone)
    return f"{words.time(moment)} {words.date(moment)}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _names(session: Session, rows: Sequence[AuditRow]) -> dict[str, str]:
    """The names of the sites and meetings these changes are about, by subject."""
    found: dict[str, str] = {}
    for kind, key, name in (("site", Site.id, Site.name), ("meeting", Meeting.id, Meeting.title)):
        subjects = {row.subject for row in rows if row.subject.startswith(f"{kind}:")}
        # Of a meeting that is repeated the id goes on with the time of the one that is meant.
        ids = {subject: subject.partition(":")[2].partition("-")[0] for subject in subjects}
        if kind == "site":
            ids = {subject: subject.partition(":")[2] for subject in subjects}
        known = {row[0]: row[1] for row in session.execute(select(key, name).where(key.in_(ids.values())))}
        found |= {subject: known[one] for subject, one in ids.items() if one in known}
    return found
