"""Take what is said of units while they are worked on: by runs of Ansible, and by the units themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...rules.rollout import ENDING, At, State
from ...rules.update_words import Heard, Word, hear, read_word, task_failed, unreachable
from ...store.tables import EventRow, Rollout, RolloutRun, RolloutTask, RolloutUnit
from .advance import put
from .hands import HostEvent, last_lines
from .others import live_besides

EVENT = "update"
_ASKED_TO_FLIP = "flipped"  # `why` of a unit that is at it
_MOST_TASKS = 60
_SAID_BY_RUNS = ("idle", "waiting")
"""A run that works on a unit calls its order off itself, and says why; and on its way to a flip a unit waits
for a moment."""


def heard_from(session: Session) -> int:
    """The number of the newest event there is: a rollout listens from its start on."""
    return session.scalar(select(func.max(EventRow.number))) or 0


def take_events(session: Session, rollout_id: str, now: datetime) -> bool:
    """Take what units reported since the last look. True when anything came of it."""
    rollout = session.get_one(Rollout, rollout_id)
    newest = heard_from(session)
    if newest == rollout.heard:
        return False
    rows = (
        select(EventRow.unit, EventRow.data)
        .where(EventRow.number > rollout.heard, EventRow.number <= newest, EventRow.kind == EVENT)
        .order_by(EventRow.number)
    )
    said = [(unit, read_word(data)) for unit, data in session.execute(rows)]
    rollout.heard = newest
    return any([_take_word(session, rollout, unit, word, now) for unit, word in said if word is not None])


def take_host_events(session: Session, run_id: str, events: Iterable[HostEvent]) -> None:
    """Take what happened on units in a run: each task as a row, and what it makes of the unit."""
    run = session.get_one(RolloutRun, run_id)
    rollout = session.get_one(Rollout, run.rollout_id)
    numbers: dict[str, int] = {}
    for event in events:
        row = session.get(RolloutUnit, (rollout.id, event.unit))
        if row is None or row.run_id != run_id:
            continue  # of a run that was given up
        number = numbers.get(event.unit)
        if number is None:
            last = select(func.max(RolloutTask.number)).where(
                RolloutTask.rollout_id == rollout.id, RolloutTask.unit_id == event.unit
            )
            number = session.scalar(last) or 0
        numbers[event.unit] = number = number + 1
        if number <= _MOST_TASKS:
            session.add(
                RolloutTask(
                    rollout_id=rollout.id,
                    unit_id=event.unit,
                    number=number,
                    name=event.task[:200],
                    outcome=event.outcome,
                    at=event.at,
                    millis=event.millis,
                )
            )
        _take_task(session, rollout, row, event)
    session.flush()


def end_run(session: Session, run_id: str, outcome: str, now: datetime) -> None:
    """A run is over: nothing works on its units any more. Whom it never reached stands as before."""
    run = session.get_one(RolloutRun, run_id)
    if run.ended_at is not None:
        return
    run.ended_at, run.outcome = now, outcome
    ending = session.get_one(Rollout, run.rollout_id).state in ENDING
    rows = select(RolloutUnit).where(RolloutUnit.rollout_id == run.rollout_id, RolloutUnit.run_id == run_id)
    for row in session.scalars(rows):
        row.run_id = None
        if row.state == At.APPLYING:
            if row.task:
                row.since = now  # from now on its silence counts
            elif ending:
                put(row, At.SKIPPED, now, "stopped")
            else:
                put(row, At.STAGED, now)
        elif row.state == At.STAGING and not row.task:
            put(row, At.WAITING, now, again_at=now)


def lose_runs(session: Session, now: datetime) -> int:
    """Runs that were under way when the controller ended are lost; how many. What they had begun, the units
    finish by themselves and tell."""
    lost = list(session.scalars(select(RolloutRun).where(RolloutRun.ended_at.is_(None))))
    for run in lost:
        end_run(session, run.id, "lost", now)
    return len(lost)


def _take_word(session: Session, rollout: Rollout, unit_id: str, word: Word, now: datetime) -> bool:
    row = session.get(RolloutUnit, (rollout.id, unit_id))
    if row is None or (word.step in _SAID_BY_RUNS and row.run_id is not None):
        return False
    if word.text:
        row.tail = list(last_lines(word.text))
    return _put(session, rollout, row, hear(At(row.state), word, rollout.version, now, row.tries), now)


def _take_task(session: Session, rollout: Rollout, row: RolloutUnit, event: HostEvent) -> None:
    begun = bool(row.task)
    # From the first thing the unit did it may have been ordered to flip: what is cut short is not told of.
    if begun or event.there or event.outcome == "failed":
        row.task = event.task[:200]
    text = event.word.text if event.word is not None else ""
    if event.tail or text:
        row.tail = list(event.tail or last_lines(text))
    state = At(row.state)
    if event.word is not None and event.word.step == "idle":
        return  # so says a unit also of an order that it has not begun
    if event.word is not None:
        heard = hear(state, event.word, rollout.version, event.at, row.tries)
    elif event.outcome == "unreachable":
        heard = unreachable(state, event.at, row.tries, begun=begun)
    elif event.outcome == "failed":
        heard = task_failed(state, flipping=row.why == _ASKED_TO_FLIP)
    else:
        return
    _put(session, rollout, row, heard, event.at)


def _put(session: Session, rollout: Rollout, row: RolloutUnit, heard: Heard | None, now: datetime) -> bool:
    if heard is None:
        return False
    if heard.state is At.WAITING and rollout.state in ENDING:
        put(row, At.SKIPPED, now, "stopped")
        return True
    if row.state == At.SKIPPED and rollout.state not in ENDING:
        return False  # it left the rollout, which did not end
    put(row, heard.state, now, heard.why, again_at=heard.again_at, retried=heard.retried)
    gone_back = rollout.state == State.STOPPED and rollout.why == "back"
    if row.state == At.GATING and gone_back and live_besides(session, rollout) is None:
        rollout.state, rollout.ended_at = State.ROLLING_BACK.value, None  # a late one has to go back, too
    return True
