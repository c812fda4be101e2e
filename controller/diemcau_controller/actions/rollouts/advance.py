"""Do what the rules decide: one transaction, and what is then to be started outside."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ...rules.actor import SYSTEM
from ...rules.rings import RINGS
from ...rules.rollout import (
    TRANSITIONS,
    UNIT_TRANSITIONS,
    Action,
    AskCheck,
    At,
    Cancel,
    Move,
    OpenRing,
    Start,
    State,
    Turn,
    later_try,
    plan,
)
from ...store.tables import Rollout, RolloutRun, RolloutTask, RolloutUnit
from ..audit import record
from ..controller import Controller
from .facts import facts, open_faults

log = logging.getLogger(__name__)

_BEGINS = {"stage": At.STAGING, "apply": At.APPLYING, "back": At.RETURNING}
_LEFT_ALONE = (At.WAITING, At.STAGING, At.STAGED, At.RETURNING)


@dataclass
class Outside:
    """What a transaction leaves to be done: runs to start and kinds of runs to end, by rollout, and units to
    ask for a check."""

    runs: list[str] = field(default_factory=list)
    cancel: set[tuple[str, str]] = field(default_factory=set)
    ask: list[str] = field(default_factory=list)
    moved: bool = False


async def advance(controller: Controller, rollout_id: str) -> Outside:
    """Decide and store one step of a rollout."""
    now = controller.now()

    def decide() -> tuple[list[Action], dict[str, At]]:
        with controller.database.read() as session:
            found = facts(controller, session, session.get_one(Rollout, rollout_id), now)
        return plan(found.rollout, found.units, now), {unit.unit: unit.state for unit in found.units}

    actions, seen = await asyncio.to_thread(decide)
    if not actions:
        return Outside()
    return await controller.write(lambda session: perform(session, rollout_id, actions, seen, now))


def perform(
    session: Session, rollout_id: str, actions: Iterable[Action], seen: Mapping[str, At], now: datetime
) -> Outside:
    """Store what was decided. A unit that stands otherwise by now than it was `seen` is left as it is: what
    it said meanwhile is newer than the plan."""
    rollout, outside = session.get_one(Rollout, rollout_id), Outside(moved=True)
    for action in actions:
        if isinstance(action, Move):
            row = session.get_one(RolloutUnit, (rollout_id, action.unit))
            if row.state == seen[action.unit]:
                put(
                    row,
                    action.to,
                    now,
                    action.why,
                    again_at=action.again_at,
                    proof=action.proof,
                    retried=action.to is At.WAITING,
                )
        elif isinstance(action, Start):
            started = _start(session, rollout, action, seen, now)
            outside.runs += [started] if started else []
        elif isinstance(action, Cancel):
            outside.cancel.add((rollout_id, action.kind))
        elif isinstance(action, AskCheck):
            session.get_one(RolloutUnit, (rollout_id, action.unit)).asked_at = now
            outside.ask.append(action.unit)
        elif isinstance(action, OpenRing):
            open_ring(session, rollout, action.ring, now)
        elif rollout.state == State.RUNNING or action.to is State.STOPPED:
            turn(session, rollout, action, now)
    return outside


def put(
    row: RolloutUnit,
    to: At,
    now: datetime,
    why: str = "",
    *,
    again_at: datetime | None = None,
    proof: str = "",
    retried: bool = False,
) -> None:
    """Let a unit stand otherwise; one that stands so already only says why anew."""
    enters = row.state != to
    if enters:
        if to not in UNIT_TRANSITIONS[At(row.state)]:
            log.error("no way there", extra={"unit": row.unit_id, "from": row.state, "to": to.value})
            return
        row.state = to.value
    row.since, row.why, row.again_at = now, why, again_at
    row.proof = proof or row.proof
    row.tries += retried
    if enters and to is At.GATING:
        row.kept_at, row.asked_at, row.proof, row.accepted = now, None, "", False


def open_ring(session: Session, rollout: Rollout, ring: str, now: datetime) -> None:
    """Let a ring begin."""
    rollout.ring = ring
    rings = RINGS[: 1 + RINGS.index(ring)]
    session.execute(
        update(RolloutUnit)
        .where(
            RolloutUnit.rollout_id == rollout.id,
            RolloutUnit.ring.in_(rings),
            RolloutUnit.window_since.is_(None),
        )
        .values(window_since=now)
    )


def turn(session: Session, rollout: Rollout, action: Turn, now: datetime) -> None:
    """Let the rollout itself be in another state, by the rules."""
    if action.to not in TRANSITIONS[State(rollout.state)]:
        return
    record(
        session,
        SYSTEM,
        now,
        "rollout.turn",
        f"rollout:{rollout.id}",
        before={"state": rollout.state, "why": rollout.why},
        after={"state": action.to.value, "why": action.why},
    )
    rollout.state, rollout.why = action.to.value, action.why
    if action.to in (State.STOPPED, State.DONE):
        rollout.ended_at = now
    if action.to is State.STOPPED:
        leave_alone(session, rollout, now)


def leave_alone(session: Session, rollout: Rollout, now: datetime, why: str = "stopped") -> None:
    """Skip every unit that was not asked to flip yet, forth or back."""
    rows = select(RolloutUnit).where(
        RolloutUnit.rollout_id == rollout.id, RolloutUnit.state.in_([one.value for one in _LEFT_ALONE])
    )
    for row in session.scalars(rows):
        put(row, At.SKIPPED, now, why)


def _start(
    session: Session, rollout: Rollout, action: Start, seen: Mapping[str, At], now: datetime
) -> str | None:
    rows = [session.get_one(RolloutUnit, (rollout.id, unit)) for unit in action.units]
    rows = [row for row in rows if row.state == seen[row.unit_id] and row.run_id is None]
    if not rows:
        return None
    run = RolloutRun(
        id="x" + secrets.token_hex(6),
        rollout_id=rollout.id,
        kind=action.kind,
        units=[row.unit_id for row in rows],
        started_at=now,
    )
    session.add(run)
    for row in rows:
        if action.kind in _BEGINS:
            put(row, _BEGINS[action.kind], now)
        else:  # it stands as before, and is tried later once more whatever comes of this
            row.again_at, row.tries = later_try(now, row.tries), row.tries + 1
        row.run_id, row.task, row.tail = run.id, "", []
        row.wave = action.wave or row.wave
        if action.kind == "apply":
            row.faults = open_faults(session, row.unit_id)
    session.execute(
        delete(RolloutTask).where(
            RolloutTask.rollout_id == rollout.id, RolloutTask.unit_id.in_([row.unit_id for row in rows])
        )
    )
    return run.id
