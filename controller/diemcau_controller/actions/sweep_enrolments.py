"""What time alone changes of enrolments: requests nobody approved, work orders past their day, old rows."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..rules.enrolment import LONGEST, OPEN_STATES, State
from ..store.tables import Enrolment, WorkOrder, WrongTry
from .controller import Controller
from .enrolment_now import expire

KEPT = timedelta(days=30)  # of requests that came to nothing


async def sweep_enrolments(controller: Controller) -> None:
    """Write down what has ended, and forget what came to nothing a month ago."""
    now = controller.now()
    if await controller.write(lambda session: _sweep(session, now)):
        controller.news.tell("enrolment")


def _sweep(session: Session, now: datetime) -> bool:
    changed = False
    for row in session.scalars(
        select(Enrolment).where(Enrolment.state.in_([one.value for one in OPEN_STATES]))
    ):
        before = row.state
        expire(row, now)
        changed = changed or row.state != before
    past = select(WorkOrder).where(WorkOrder.closed_at.is_(None), WorkOrder.until <= now)
    for order in session.scalars(past):
        order.closed_at, order.closed_by = order.until, "system"
        changed = True
    session.execute(delete(WrongTry).where(WrongTry.at < now - LONGEST - KEPT))
    tried = select(WrongTry.enrolment_id).where(WrongTry.enrolment_id.is_not(None))
    session.execute(
        delete(Enrolment).where(
            Enrolment.created_at < now - KEPT,
            Enrolment.state != State.APPROVED.value,
            Enrolment.id.not_in(tried),
        )
    )
    return changed
