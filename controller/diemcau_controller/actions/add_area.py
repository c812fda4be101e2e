"""Add a node to the tree of areas."""

from __future__ import annotations

from typing import Annotated

from diemcau_wire.messages import Name, SiteId
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Conflict
from ..store.tables import Area
from .audit import record
from .controller import Controller
from .new_id import new_id
from .scope import need_area


class AreaSpec(BaseModel):
    """An area: `tier` is what its level is called (`tỉnh`, `xã` …), `parent` the area it lies in."""

    model_config = ConfigDict(extra="forbid")
    id: SiteId | None = None
    name: Name
    tier: Annotated[str, Field(min_length=1, max_length=60)]
    parent: SiteId | None = None


async def add_area(controller: Controller, who: Actor, spec: AreaSpec) -> str:
    """Add it and give its id."""
    area_id = new_id(spec.id, spec.name)

    def change(session: Session) -> str:
        if session.get(Area, area_id) is not None:
            raise Conflict(
                f"area {area_id} exists already: choose another id",
                code="areas.exists",
                field="id",
                area=area_id,
            )
        need_area(session, who, spec.parent)
        session.add(Area(id=area_id, name=spec.name, tier=spec.tier, parent_id=spec.parent))
        after = {"name": spec.name, "tier": spec.tier, "parent": spec.parent}
        record(session, who, controller.now(), "area.add", f"area:{area_id}", after=after)
        return area_id

    return await controller.write(change)
