"""Rename or move an area, or take it out of the tree."""

from __future__ import annotations

from typing import Annotated

from diemcau_wire.messages import Name, Nfc, SiteId
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.areas import Node, Tree
from ..rules.refusals import Conflict, Invalid, NotFound
from ..store.tables import Area, Site, User
from .audit import Known, record
from .controller import Controller, Letter
from .desired_config import renew_config
from .scope import need_area


class AreaChange(BaseModel):
    """What changes of an area; what is absent stays. A `parent` of null puts it at the top."""

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    tier: Annotated[str, Field(min_length=1, max_length=60), Nfc] | None = None
    parent: SiteId | None = None


def tree_of(session: Session) -> Tree:
    """Every area."""
    rows = session.execute(select(Area.id, Area.name, Area.tier, Area.parent_id))
    return Tree(Node(*row) for row in rows)


def area_for(session: Session, who: Actor, area_id: str) -> Area:
    """An area in scope, or a refusal."""
    area = session.get(Area, area_id)
    if area is None or not who.holds(area_id):
        raise NotFound(
            f"there is no area {area_id[:80]}: `diemcau area list` shows those there are",
            code="areas.not_found",
            area=area_id,
        )
    return area


async def change_area(controller: Controller, who: Actor, area_id: str, change: AreaChange) -> None:
    """Change it; units whose screen names it are told. Refuses to put an area into itself."""

    def transaction(session: Session) -> list[Letter]:
        area = area_for(session, who, area_id)
        before = _known(area)
        if change.name is not None:
            area.name = change.name
        if change.tier is not None:
            area.tier = change.tier
        if "parent" in change.model_fields_set and change.parent != area.parent_id:
            need_area(session, who, change.parent)
            if change.parent is not None and change.parent in tree_of(session).subtree(area_id):
                raise Invalid(
                    f"area {area_id} cannot lie in itself or in an area below it: choose another",
                    code="areas.in_itself",
                    field="parent",
                    area=area.name,
                )
            area.parent_id = change.parent
        session.flush()
        record(
            session,
            who,
            controller.now(),
            "area.change",
            f"area:{area_id}",
            before=before,
            after=_known(area),
        )
        sites = session.scalars(select(Site).where(Site.area_id == area_id))
        return renew_config(session, controller.settings, [site.unit for site in sites if site.unit])

    controller.send(await controller.write(transaction))
    controller.news.tell("site")


async def remove_area(controller: Controller, who: Actor, area_id: str) -> None:
    """Take it out of the tree. Refused while sites, other areas or users belong to it."""

    def change(session: Session) -> None:
        area = area_for(session, who, area_id)
        of_it = {
            "sites": select(func.count()).where(Site.area_id == area_id, Site.removed_at.is_(None)),
            "areas": select(func.count()).where(Area.parent_id == area_id),
            "users": select(func.count()).where(User.area_id == area_id),
        }
        counts = {what: session.scalar(query) or 0 for what, query in of_it.items()}
        if any(counts.values()):
            raise Conflict(
                f"area {area_id} is used by {counts['sites']} sites, {counts['areas']} areas in it and "
                f"{counts['users']} users: move them to another area first",
                code="areas.used",
                area=area.name,
                sites=counts["sites"],
                areas=counts["areas"],
                users=counts["users"],
            )
        for site in session.scalars(select(Site).where(Site.area_id == area_id)):
            site.area_id = None  # removed sites keep their history, not their area
        record(session, who, controller.now(), "area.remove", f"area:{area_id}", before=_known(area))
        session.flush()
        session.delete(area)

    await controller.write(change)
    controller.news.tell("site")


def _known(area: Area) -> Known:
    return {"name": area.name, "tier": area.tier, "parent": area.parent_id}
