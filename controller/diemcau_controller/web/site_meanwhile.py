"""A form of a site that somebody else changed since it was opened: what they did, and both put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from ..actions.controller import Controller
from ..store.tables import AuditRow
from .audit_words import change_line, names_of
from .form import Form
from .words import Words

T = TypeVar("T")


def version_in(sent: Form) -> int | None:
    """The version a form was made from."""
    text = sent["version"]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def told(
    core: Controller, session: Session, changes: Sequence[AuditRow], words: Words
) -> list[dict[str, Any]]:
    """What the others did, in words."""
    names = names_of(core, session, changes)
    return [change_line(words, row, names) for row in changes]


def merged(typed: Mapping[str, T], before: Mapping[str, T], present: Mapping[str, T]) -> dict[str, T]:
    """What was typed, and where nothing was typed what is there now."""
    return {
        name: present[name] if name in present and value == before.get(name) else value
        for name, value in typed.items()
    }
