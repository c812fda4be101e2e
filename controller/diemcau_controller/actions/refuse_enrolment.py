"""Requests that wait: how many there are, and refusing one without its code."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.enrolment import State, Step
from ..rules.refusals import Conflict
from ..store.tables import Enrolment
from .audit import record
from .controller import Controller
from .enrolment_now import enrolment_for, step, waiting


def pending(session: Session, now: datetime) -> list[Enrolment]:
    """Those that wait for somebody, the oldest first. Their codes are typed from a screen, never shown."""
    return waiting(session, now)


async def refuse(controller: Controller, who: Actor, enrolment_id: str, reason: str = "") -> None:
    """Refuse a request that waits; the same again is no change. Its unit shows that, and may ask anew."""
    now = controller.now()

    def change(session: Session) -> str:
        row = enrolment_for(session, enrolment_id, now)
        if row.state == State.REFUSED:
            return row.unit_id
        if row.state != State.WAITING:
            raise Conflict(f"this request is over ({row.state})", code="enrol.request_over")
        step(row, Step.REFUSE, "enrol.refused")
        row.decided_at, row.decided_by = now, who.name
        after = {"serial": row.serial, "from": row.source, "reason": reason.strip()[:500]}
        record(session, who, now, "enrolment.refuse", f"unit:{row.unit_id}", after=after)
        return row.unit_id

    unit = await controller.write(change)
    controller.news.tell("enrolment", unit=unit)
