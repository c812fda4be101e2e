"""What was changed of a site, by whom and when, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..store.tables import Area, AuditRow
from .words import Words

_SHOWN = 20
_FIELDS = (
    "name",
    "area",
    "is_centre",
    "contacts",
    "camera",
    "microphone",
    "sound",
    "video",
    "screen",
    "language",
    "unit",
)


@dataclass(slots=True)
class Step:
    """`changes` holds (field, before, after), in words; before is "" for what is new."""

    at: datetime
    who: str
    text: str
    changes: list[tuple[str, str, str]] = field(default_factory=list)


def history_of(session: Session, site_id: str, words: Words, areas: Mapping[str, Area]) -> list[Step]:
    """The newest changes first, as many as one looks at."""
    rows = session.scalars(
        select(AuditRow)
        .where(AuditRow.subject == f"site:{site_id}")
        .order_by(AuditRow.number.desc())
        .limit(_SHOWN)
    )
    return [_step(row, words, areas) for row in rows]


def _step(row: AuditRow, words: Words, areas: Mapping[str, Area]) -> Step:
    text = words.known("sites", f"did_{row.action.replace('.', '_')}", "did_change")
    step = Step(row.at, row.who, text)
    before, after = row.before or {}, row.after or {}
    if row.action == "site.add":
        return step
    for name in _FIELDS:
        if name in before or name in after:
            shown = [_shown(name, values.get(name), words, areas) for values in (before, after)]
            step.changes.append((words(f"sites.field_{name}"), shown[0], shown[1]))
    return step


def _shown(name: str, value: Any, words: Words, areas: Mapping[str, Area]) -> str:
    if value is None or value == "" or value == []:
        return words("sites.nothing")
    if name == "area":
        return areas[value].name if value in areas else str(value)
    if name == "is_centre":
        return words("sites.yes") if value else words("sites.no")
    if name == "contacts":
        return "; ".join(" ".join(filter(None, (one.get("name"), one.get("phone")))) for one in value)
    if name == "language":
        return words(f"sites.language_{value}")
    if isinstance(value, dict):
        size = f"{value.get('width')}×{value.get('height')}"
        return f"{size}, {value['fps']}/s, {value['bitrate_bps'] // 1000} kbit/s" if "fps" in value else size
    return str(value)
