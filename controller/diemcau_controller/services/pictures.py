"""Pictures of the halls' screens for the board: after each self-check, once in each meeting, else every hour.

No more in a meeting, because a picture takes the uplink from it.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from diemcau_wire.messages import EventKind, Verb
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..actions.controller import Controller
from ..actions.send_command import send_command
from ..rules.actor import SYSTEM
from ..rules.refusals import Refusal
from ..store.tables import EventRow, Unit

LOOK_S = 10.0
_SETTLED = timedelta(seconds=10)  # after joining, until there is something to see
_STALE = timedelta(hours=1)
_AFTER_FAILURE = timedelta(minutes=30)
_AT_A_TIME = 4
_PATIENCE_S = 30.0
_WORTH_SEEING = (EventKind.VERDICT, EventKind.JOINED)

log = logging.getLogger(__name__)


class Pictures:
    """Asks units for pictures, a few at a time."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._not_before: dict[str, datetime] = {}

    async def look(self) -> None:
        """Ask every unit whose picture is due, and wait for them."""
        now = self._controller.now()
        with self._controller.database.read() as session:
            due = [unit for unit in due_units(session, now) if self._not_before.get(unit, now) <= now]
        few = asyncio.Semaphore(_AT_A_TIME)

        async def ask(unit: str) -> None:
            async with few:
                try:
                    ack = await send_command(self._controller, SYSTEM, unit, Verb.PICTURE, {}, _PATIENCE_S)
                    problem = "" if ack.ok else f"{ack.error}: {ack.text}"
                except Refusal as error:
                    problem = str(error)
            if problem:
                self._not_before[unit] = self._controller.now() + _AFTER_FAILURE
                log.info("no picture", extra={"unit": unit, "error": problem})

        await asyncio.gather(*(ask(unit) for unit in due))


def due_units(session: Session, now: datetime) -> list[str]:
    """Connected units of which there is no picture since something worth seeing happened."""
    worth = (
        select(func.max(EventRow.received_at))
        .where(EventRow.unit == Unit.id, EventRow.kind.in_([kind.value for kind in _WORTH_SEEING]))
        .where(EventRow.received_at < now - _SETTLED)
        .scalar_subquery()
    )
    present = select(Unit.id).where(Unit.status == "online", Unit.site_id.is_not(None))
    due = Unit.picture_at.is_(None) | (Unit.picture_at < worth) | (Unit.picture_at < now - _STALE)
    return list(session.scalars(present.where(due)))
