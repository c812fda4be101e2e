"""Which life this controller is in: what tells its words from those before a restore."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..store.tables import Installation


def generation_of(session: Session) -> int:
    """1, and one more with each backup that was restored."""
    return session.scalars(select(Installation.generation)).one()
