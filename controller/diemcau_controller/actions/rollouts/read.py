"""What a rollout has come to, for pages and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...rules.actor import Actor
from ...rules.refusals import NotFound
from ...rules.rings import RINGS
from ...rules.rollout import HEAPS, NO_WINDOW, At, UnitNow, reason, tally
from ...store.tables import Freeze, Rollout, RolloutTask, RolloutUnit
from ..controller import Controller
from .facts import facts
from .steer import rollout_for


@dataclass(frozen=True, slots=True)
class UnitStanding:
    """A unit of a rollout: `heap` it is counted on, `reason` why it waits ("" when it does not). `overdue`:
    it could have been updated for a week, and there was no moment for it."""

    row: RolloutUnit
    heap: str
    reason: str
    overdue: bool


@dataclass(frozen=True)
class RolloutStanding:
    """`rings` counts, for each ring, its units by :class:`At`; `counts` the five heaps of all; `reasons` why
    those on `waiting` wait."""

    rollout: Rollout
    units: Sequence[UnitStanding]
    rings: Mapping[str, Mapping[str, int]]
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    frozen: bool
    urgent: bool

    def on(self, heap: str) -> list[UnitStanding]:
        """The units on one heap."""
        return [unit for unit in self.units if unit.heap == heap]

    @property
    def overdue(self) -> list[UnitStanding]:
        """Those without a window for a week, the longest waiting first."""
        late = [unit for unit in self.units if unit.overdue]
        return sorted(late, key=lambda unit: (unit.row.window_since or unit.row.since, unit.row.unit_id))


def standing_of(controller: Controller, session: Session, who: Actor, rollout_id: str) -> RolloutStanding:
    """A rollout with those of its units that somebody sees. Reads much: not on the event loop."""
    now, rollout = controller.now(), rollout_for(session, rollout_id)
    found = facts(controller, session, rollout, now)
    known = {unit.unit: unit for unit in found.units}
    rows = select(RolloutUnit).where(RolloutUnit.rollout_id == rollout.id).order_by(RolloutUnit.unit_id)
    units = [
        _standing(row, reason(found.rollout, known[row.unit_id], now), known[row.unit_id], now)
        for row in session.scalars(rows)
        if who.sees(row.site_id) and row.unit_id in known
    ]
    return RolloutStanding(
        rollout=rollout,
        units=units,
        rings={ring: Counter(unit.row.state for unit in units if unit.row.ring == ring) for ring in RINGS},
        counts=tally(At(unit.row.state) for unit in units),
        reasons=Counter(unit.reason or "busy" for unit in units if unit.heap == "waiting"),
        frozen=found.rollout.frozen,
        urgent=found.rollout.urgent,
    )


def rollouts(session: Session, most: int = 100) -> list[Rollout]:
    """The newest first."""
    return list(session.scalars(select(Rollout).order_by(Rollout.created_at.desc()).limit(most)))


def counts_of(session: Session, rollout_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """The five heaps of these rollouts."""
    rows = (
        select(RolloutUnit.rollout_id, RolloutUnit.state, func.count())
        .where(RolloutUnit.rollout_id.in_(rollout_ids))
        .group_by(RolloutUnit.rollout_id, RolloutUnit.state)
    )
    counts = {rollout: tally([]) for rollout in rollout_ids}
    for rollout, state, number in session.execute(rows):
        counts[rollout][HEAPS[At(state)]] += number
    return counts


def tasks_of(session: Session, who: Actor, rollout_id: str, unit_id: str) -> list[RolloutTask]:
    """What the newest run did on a unit, in order."""
    row = session.get(RolloutUnit, (rollout_id, unit_id))
    if row is None or not who.sees(row.site_id):
        raise NotFound(f"unit {unit_id[:80]} is not in this rollout", code="rollouts.unit_unknown")
    rows = select(RolloutTask).where(RolloutTask.rollout_id == rollout_id, RolloutTask.unit_id == unit_id)
    return list(session.scalars(rows.order_by(RolloutTask.number)))


def freezes_ahead(session: Session, today: str) -> list[Freeze]:
    """Frozen days that are not over, the next ones first."""
    return list(session.scalars(select(Freeze).where(Freeze.last >= today).order_by(Freeze.first)))


def _standing(row: RolloutUnit, why: str, unit: UnitNow, now: datetime) -> UnitStanding:
    heap = HEAPS[At(row.state)]
    since = row.window_since
    overdue = (
        unit.state in (At.WAITING, At.STAGING, At.STAGED, At.RETURNING)
        and since is not None
        and now - since >= NO_WINDOW
    )
    return UnitStanding(row, heap, why, overdue)
