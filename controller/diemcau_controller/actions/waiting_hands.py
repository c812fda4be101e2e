"""The halls that have asked for the floor and wait for it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..store.tables import Hand


def waiting_hands(session: Session, occurrence_id: str) -> list[Hand]:
    """Raised hands of an occurrence in the order they were raised; at most one of a site."""
    waiting = select(Hand).where(Hand.occurrence_id == occurrence_id, Hand.ended_at.is_(None))
    return list(session.scalars(waiting.order_by(Hand.number)))


def waiting_hand(session: Session, occurrence_id: str, site: str) -> Hand | None:
    """The hand of a site that waits; None when there is none."""
    return next((hand for hand in waiting_hands(session, occurrence_id) if hand.site_id == site), None)
