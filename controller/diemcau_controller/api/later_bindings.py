"""/api/v1/later-bindings: units that were put in place after the backup this controller was restored from."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from ..actions.later_binding import confirm_later_binding, deny_later_binding, later_bindings
from ..store.tables import LaterBinding
from .access import Core, KeyedOperator, Operator
from .answers import answers
from .views import View, text

router = APIRouter(tags=["units"])

UnitId = Annotated[str, Path(max_length=40)]


class LaterVerdict(BaseModel):
    """`confirm`: it serves the site indeed. `deny`: nobody put it there."""

    model_config = ConfigDict(extra="forbid")
    verdict: Literal["confirm", "deny"]


@router.get("/later-bindings")
def list_later(core: Core, who: Operator) -> list[View]:
    """Those that wait for a decision."""
    with core.database.read() as session:
        return [later_view(row) for row in later_bindings(session, who)]


@router.post("/later-bindings/{unit}", responses=answers(404, 409))
async def decide_later(core: Core, who: KeyedOperator, unit: UnitId, decision: LaterVerdict) -> View:
    """Say what holds. A confirmed unit is bound in place of the one that was known at the site."""
    if decision.verdict == "confirm":
        return {"unit": unit, "epoch": await confirm_later_binding(core, who, unit)}
    await deny_later_binding(core, who, unit)
    return {"unit": unit, "epoch": None}


def later_view(row: LaterBinding) -> View:
    """A unit that waits: the site and epoch its certificate names, and since when we know of it."""
    return {"unit": row.unit_id, "site": row.site_id, "epoch": row.epoch, "seen_at": text(row.seen_at)}
