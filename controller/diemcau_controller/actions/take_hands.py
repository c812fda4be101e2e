"""Hands raised and lowered on the keypad of a hall become hands of its meeting."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from diemcau_wire.messages import EventKind
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.refusals import Refusal
from ..store.tables import EventRow
from .controller import Controller
from .raise_hand import lower_hand, raise_hand

_HANDS = (EventKind.HAND_RAISED.value, EventKind.HAND_LOWERED.value)
_FRESH = timedelta(minutes=2)  # an older wish came too late to be meant now
_MOST_AT_ONCE = 500

log = logging.getLogger(__name__)


def hands_from(session: Session, now: datetime) -> int:
    """The number of the event after which a controller that starts now looks for hands."""
    return session.scalar(select(func.max(EventRow.number)).where(EventRow.received_at < now - _FRESH)) or 0


def hands_after(session: Session, number: int) -> list[EventRow]:
    """Events of hands after that number, in the order they came."""
    rows = select(EventRow).where(EventRow.number > number, EventRow.kind.in_(_HANDS))
    return list(session.scalars(rows.order_by(EventRow.number).limit(_MOST_AT_ONCE)))


async def take_hands(controller: Controller, rows: Iterable[EventRow]) -> None:
    """Do what the halls asked for; what cannot be (the meeting is over, the hall speaks) is no fault."""
    for row in rows:
        if row.site is None or row.meeting is None or controller.now() - row.at > _FRESH:
            continue
        who = Actor(f"hall:{row.site}", Role.CONTRACTOR, frozenset({row.site}))
        try:
            if row.kind == EventKind.HAND_RAISED:
                await raise_hand(controller, who, row.meeting, row.site, None)
            else:
                await lower_hand(controller, who, row.meeting, row.site)
        except Refusal as refusal:
            log.info("a hand changes nothing", extra={"site": row.site, "why": str(refusal)})
