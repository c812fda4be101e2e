"""Changes of the certificate authority in the list of changes, whoever made them with which tool."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..adapters.authority.roots import AuthorityNow
from ..rules.actor import SYSTEM
from ..store.tables import AuditRow
from .audit import record

_ACTION, _SUBJECT = "authority.change", "authority:roots"


def note_authority(session: Session, now: AuthorityNow, at: datetime) -> bool:
    """Write down what differs from what the list says of the authority; False when nothing does."""
    rows = select(AuditRow).where(AuditRow.subject == _SUBJECT).order_by(AuditRow.number)
    known: dict[str, Any] = {}
    for row in session.scalars(rows):
        known.update(row.after or {})
    found = _found(now)
    if found == known:
        return False
    record(session, SYSTEM, at, _ACTION, _SUBJECT, before=known or None, after=found)
    return True


def _found(now: AuthorityNow) -> dict[str, Any]:
    named = [(root.state, f"{root.name} {root.fingerprint[:16]}") for root in now.roots]
    return {
        "active_root": next(name for state, name in named if state == "active"),
        "root_asleep": next(name for state, name in named if state == "asleep"),
        "former_roots": [name for state, name in named if state == "former"],
        "online_authority": now.intermediate_serial[:16],
        "root_keys_here": list(now.keys_here),
    }
