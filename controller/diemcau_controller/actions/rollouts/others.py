"""The other rollouts beside one: at most one is live at a time, and only the newest takes in late units."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...rules.rollout import LIVE
from ...store.tables import Rollout


def live_besides(session: Session, rollout: Rollout) -> Rollout | None:
    """Another one that is live."""
    live = select(Rollout).where(Rollout.id != rollout.id, Rollout.state.in_([one.value for one in LIVE]))
    return session.scalars(live.limit(1)).first()


def newer_than(session: Session, rollout: Rollout) -> Rollout | None:
    """The newest of those that came later."""
    newer = select(Rollout).where(Rollout.created_at > rollout.created_at).order_by(Rollout.created_at.desc())
    return session.scalars(newer.limit(1)).first()
