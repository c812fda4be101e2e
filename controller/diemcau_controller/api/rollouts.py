"""/api/v1/rollouts: versions on their way to the fleet; frozen days, rings of sites, Ansible's inventory."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from ..actions.rollouts.inventory import inventory
from ..actions.rollouts.read import (
    UnitStanding,
    counts_of,
    freezes_ahead,
    rollouts,
    standing_of,
    tasks_of,
)
from ..actions.rollouts.start import RolloutSpec, start_rollout
from ..actions.rollouts.steer import FreezeSpec, Verb, freeze, put_in_ring, steer, thaw, try_again
from ..store.tables import Freeze, Rollout
from .access import Administrator, Core, KeyedAdministrator, Operator
from .answers import answers
from .views import View, text

router = APIRouter(tags=["rollouts"])

Heap = Literal["done", "waiting", "failed", "back", "skipped"]


class Steering(BaseModel):
    """What to do with a rollout."""

    model_config = ConfigDict(extra="forbid")
    verb: Verb


class Ringing(BaseModel):
    """The ring of a site; null: as it is chosen when a rollout starts."""

    model_config = ConfigDict(extra="forbid")
    ring: Literal["canary", "early", "all"] | None


@router.get("/rollouts")
def list_rollouts(core: Core, who: Operator) -> list[View]:
    """Every rollout, the newest first, with its units on five heaps."""
    with core.database.read() as session:
        rows = rollouts(session)
        counts = counts_of(session, [row.id for row in rows])
        return [{**rollout_view(row), "counts": counts[row.id]} for row in rows]


@router.post("/rollouts", status_code=201, responses=answers(403, 404, 409, 422))
async def post_rollout(core: Core, who: KeyedAdministrator, spec: RolloutSpec) -> View:
    """Start one; 409 `rollouts.another_runs` unless `instead`."""
    made = await start_rollout(core, who, spec)
    with core.database.read() as session:
        return rollout_view(session.get_one(Rollout, made))


@router.get("/rollouts/{rollout}", responses=answers(404))
def get_rollout(core: Core, who: Operator, rollout: str) -> View:
    """One, with its rings, why units wait, and those that failed or had no window for a week."""
    with core.database.read() as session:
        found = standing_of(core, session, who, rollout)
        return {
            **rollout_view(found.rollout),
            "counts": dict(found.counts),
            "rings": {ring: dict(counts) for ring, counts in found.rings.items()},
            "reasons": dict(found.reasons),
            "frozen": found.frozen,
            "urgent": found.urgent,
            "failed": [unit_view(one) for one in found.units if one.heap in ("failed", "back")],
            "overdue": [unit_view(one) for one in found.overdue],
        }


@router.get("/rollouts/{rollout}/units", responses=answers(404))
def get_units(core: Core, who: Operator, rollout: str, heap: Heap | None = None) -> list[View]:
    """Its units; `heap` is one of `done`, `waiting`, `failed`, `back`, `skipped`."""
    with core.database.read() as session:
        found = standing_of(core, session, who, rollout)
    return [unit_view(one) for one in found.units if heap in (None, one.heap)]


@router.get("/rollouts/{rollout}/units/{unit}/tasks", responses=answers(404))
def get_tasks(core: Core, who: Operator, rollout: str, unit: str) -> list[View]:
    """What its newest run did on a unit, task by task."""
    with core.database.read() as session:
        return [
            {"name": one.name, "outcome": one.outcome, "at": text(one.at), "millis": one.millis}
            for one in tasks_of(session, who, rollout, unit)
        ]


@router.post("/rollouts/{rollout}/steer", status_code=204, responses=answers(404, 409, 422))
async def post_steer(core: Core, who: Administrator, rollout: str, spec: Steering) -> None:
    """Pause it, go on, end it, or take it back."""
    await steer(core, who, rollout, spec.verb)


@router.post("/rollouts/{rollout}/units/{unit}/retry", status_code=204, responses=answers(404, 409))
async def post_retry(core: Core, who: Administrator, rollout: str, unit: str) -> None:
    """Try a unit once more that failed or went back."""
    await try_again(core, who, rollout, unit)


@router.get("/freezes")
def list_freezes(core: Core, who: Operator) -> list[View]:
    """Frozen days that are not over, the next ones first."""
    today = core.now().astimezone(core.settings.zone).date().isoformat()
    with core.database.read() as session:
        return [freeze_view(row) for row in freezes_ahead(session, today)]


@router.post("/freezes", status_code=201, responses=answers(422))
async def post_freeze(core: Core, who: Administrator, spec: FreezeSpec) -> View:
    """Let nothing be flipped on some days."""
    number = await freeze(core, who, spec)
    with core.database.read() as session:
        return freeze_view(session.get_one(Freeze, number))


@router.delete("/freezes/{number}", status_code=204, responses=answers(404))
async def delete_freeze(core: Core, who: Administrator, number: int) -> None:
    """Take a freeze away."""
    await thaw(core, who, number)


@router.put("/sites/{site}/ring", status_code=204, responses=answers(404, 422))
async def put_ring(core: Core, who: Administrator, site: str, spec: Ringing) -> None:
    """Say in which ring a site is in rollouts from now on."""
    await put_in_ring(core, who, site, spec.ring)


@router.get("/inventory")
def get_inventory(core: Core, who: Operator) -> list[View]:
    """Every unit that serves a site, as Ansible's inventory plugin reads it."""
    with core.database.read() as session:
        return inventory(session, who)


def rollout_view(row: Rollout) -> View:
    """A rollout, without its units."""
    return {
        "id": row.id,
        "version": row.version,
        "state": row.state,
        "why": row.why,
        "ring": row.ring,
        "wave": row.wave,
        "tolerated_percent": row.tolerated_percent,
        "meeting_wait_h": row.meeting_wait_h,
        "whole_fleet": row.whole_fleet,
        "created_by": row.created_by,
        "created_at": text(row.created_at),
        "ended_at": text(row.ended_at),
    }


def unit_view(one: UnitStanding) -> View:
    """A unit in a rollout."""
    row = one.row
    return {
        "unit": row.unit_id,
        "site": row.site_id,
        "ring": row.ring,
        "state": row.state,
        "heap": one.heap,
        "why": row.why,
        "reason": one.reason,
        "since": text(row.since),
        "window_since": text(row.window_since),
        "again_at": text(row.again_at),
        "proof": row.proof,
        "from_version": row.from_version,
        "task": row.task,
        "tail": row.tail,
        "overdue": one.overdue,
    }


def freeze_view(row: Freeze) -> View:
    """Frozen days."""
    return {"number": row.number, "first": row.first, "last": row.last, "reason": row.reason}
