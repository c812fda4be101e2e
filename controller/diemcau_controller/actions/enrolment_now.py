"""A request to be admitted as it stands now, and the steps it takes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.enrolment import OPEN_STATES, State, Step, after, ends_at
from ..rules.refusals import Conflict, NotFound
from ..store.tables import Enrolment


def enrolment_for(session: Session, request: str, now: datetime) -> Enrolment:
    """A request by its id; one whose time is over has expired, whether that is written down or not."""
    row = session.get(Enrolment, request)
    if row is None:
        raise NotFound("there is no such request: ask anew", code="enrol.request_over")
    expire(row, now)
    return row


def with_code(session: Session, code: str, now: datetime) -> Enrolment | None:
    """The newest request that had this code, as it stands now."""
    shown = select(Enrolment).where(Enrolment.code == code).order_by(Enrolment.created_at.desc())
    row = session.scalars(shown.limit(1)).first()
    if row is not None:
        expire(row, now)
    return row


def waiting(session: Session, now: datetime) -> list[Enrolment]:
    """Those whose code is on a screen now, the oldest first."""
    rows = select(Enrolment).where(Enrolment.state == State.WAITING.value, Enrolment.expires_at > now)
    return list(session.scalars(rows.order_by(Enrolment.created_at)))


def expire(row: Enrolment, now: datetime) -> None:
    """Time it out if it is due."""
    if State(row.state) in OPEN_STATES and now >= ends_at(State(row.state), row.created_at, row.expires_at):
        step(row, Step.TIME_OUT)


def step(row: Enrolment, taken: Step, reason: str | None = None) -> None:
    """Take a step that must be possible."""
    state = after(State(row.state), taken)
    assert state is not None, f"{row.state} {taken}"
    row.state = state.value
    if reason is not None:
        row.reason = reason


def over(row: Enrolment) -> Conflict:
    """Why nothing can be done with it any more."""
    return Conflict(f"this request is over ({row.state}): ask anew", code="enrol.request_over")
