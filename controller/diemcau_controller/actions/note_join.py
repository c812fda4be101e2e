"""Notice two boxes with one identity, from what connections and measurements of a unit say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from diemcau_wire.messages import Health, State
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import SYSTEM
from ..rules.clones import Found, Start, judge
from ..store.tables import Clone, Join, Unit
from .audit import record

STARTS_KEPT = 20
_LATE = timedelta(seconds=5)  # so long a measurement of the former start may be on its way

News = tuple[str, dict[str, Any]]


def note_join(session: Session, unit: Unit, state: State, now: datetime) -> list[News]:
    """A unit has connected: note the start it is in, and whether another has its identity. Gives the news."""
    if state.join_count is None:
        return []
    rows = _starts(session, unit.id)
    seen = Start(state.boot_id, state.join_count, state.media or "", state.box or "", now)
    found = judge([_start(row) for row in rows], seen)
    mine = next((row for row in rows if row.boot_id == state.boot_id), None)
    if mine is None:
        mine = Join(unit_id=unit.id, boot_id=state.boot_id, first_at=now, count=0, last_at=now)
        session.add(mine)
        for old in rows[STARTS_KEPT:]:
            session.delete(old)
    if state.join_count > mine.count:
        mine.count, mine.media, mine.box, mine.last_at = seen.count, seen.media, seen.box, now
    session.flush()
    if found is Found.MOVED:
        latest = max(rows, key=lambda row: row.last_at)
        before, after = {"media": latest.media, "box": latest.box}, {"media": seen.media, "box": seen.box}
        record(session, SYSTEM, now, "unit.moved", f"unit:{unit.id}", before=before, after=after)
        return []
    return [] if found is None else _flag(session, unit, found, now)


def note_other_start(session: Session, unit: Unit, health: Health, now: datetime) -> list[News]:
    """A measurement of another start than the one that connected last: both of them are on."""
    latest = session.get(Join, (unit.id, unit.boot_id or ""))
    other = session.get(Join, (unit.id, health.boot_id))
    if latest is None or other is None or now - latest.first_at < _LATE:
        return []
    return _flag(session, unit, Found.TURNS, now)


def _flag(session: Session, unit: Unit, found: Found, now: datetime) -> list[News]:
    """Let somebody decide: neither box is shut out unasked. What is flagged already only learns of starts."""
    if unit.ended is not None:
        return []
    boots = [
        {
            "boot": row.boot_id,
            "count": row.count,
            "media": row.media,
            "box": row.box,
            "first_at": row.first_at.isoformat(),
            "last_at": row.last_at.isoformat(),
        }
        for row in _starts(session, unit.id)[:6]
    ]
    known = session.scalars(select(Clone).where(Clone.unit_id == unit.id, Clone.decided_at.is_(None))).first()
    if known is not None:
        if [one["boot"] for one in known.boots] != [one["boot"] for one in boots]:
            known.boots = boots
        return []
    session.add(Clone(unit_id=unit.id, site_id=unit.site_id, found_at=now, why=found.value, boots=boots))
    record(session, SYSTEM, now, "clone.found", f"unit:{unit.id}", after={"why": found.value})
    return [("clone", {"unit": unit.id, "site": unit.site_id})]


def _starts(session: Session, unit_id: str) -> list[Join]:
    """Of a unit, the newest first."""
    rows = select(Join).where(Join.unit_id == unit_id).order_by(Join.last_at.desc(), Join.count.desc())
    return list(session.scalars(rows))


def _start(row: Join) -> Start:
    return Start(row.boot_id, row.count, row.media, row.box, row.last_at)
