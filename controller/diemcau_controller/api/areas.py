"""/api/v1/areas and /api/v1/groups: how sites are put together."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy import select

from ..actions.add_area import AreaSpec, add_area
from ..actions.change_area import AreaChange, change_area, remove_area
from ..actions.groups import (
    GroupChange,
    GroupSpec,
    add_group,
    change_group,
    group_for,
    groups_for,
    remove_group,
)
from ..rules.actor import Actor
from ..store.tables import Area, Group
from .access import Administrator, Core, Operator, Viewer
from .answers import answers
from .views import View, area_view

router = APIRouter(tags=["areas and groups"])


@router.get("/areas")
def list_areas(core: Core, who: Viewer) -> list[View]:
    """The tree of areas, as a list."""
    with core.database.read() as session:
        return [area_view(area) for area in session.scalars(select(Area).order_by(Area.name))]


@router.post("/areas", status_code=201, responses=answers(409, 422))
async def post_area(core: Core, who: Administrator, spec: AreaSpec) -> View:
    """Add an area."""
    area = await add_area(core, who, spec)
    with core.database.read() as session:
        return area_view(session.get_one(Area, area))


@router.patch("/areas/{area}", responses=answers(404, 422))
async def patch_area(core: Core, who: Administrator, area: str, change: AreaChange) -> View:
    """Rename or move an area; a `parent` of null puts it at the top."""
    await change_area(core, who, area, change)
    with core.database.read() as session:
        return area_view(session.get_one(Area, area))


@router.delete("/areas/{area}", status_code=204, responses=answers(404, 409))
async def delete_area(core: Core, who: Administrator, area: str) -> Response:
    """Take an area out of the tree; 409 while sites, areas or users belong to it."""
    await remove_area(core, who, area)
    return Response(status_code=204)


@router.get("/groups")
def list_groups(core: Core, who: Viewer) -> list[View]:
    """Every group with those of its sites that are in scope."""
    with core.database.read() as session:
        return [group_view(who, group) for group in groups_for(session, who)]


@router.post("/groups", status_code=201, responses=answers(409, 422))
async def post_group(core: Core, who: Operator, spec: GroupSpec) -> View:
    """Add a group of sites."""
    group = await add_group(core, who, spec)
    with core.database.read() as session:
        return group_view(who, group_for(session, who, group))


@router.get("/groups/{group}", responses=answers(404))
def get_group(core: Core, who: Viewer, group: str) -> View:
    """One group."""
    with core.database.read() as session:
        return group_view(who, group_for(session, who, group))


@router.patch("/groups/{group}", responses=answers(404, 422))
async def patch_group(core: Core, who: Operator, group: str, change: GroupChange) -> View:
    """Rename a group, or give it other sites."""
    await change_group(core, who, group, change)
    with core.database.read() as session:
        return group_view(who, group_for(session, who, group))


@router.delete("/groups/{group}", status_code=204, responses=answers(404))
async def delete_group(core: Core, who: Operator, group: str) -> Response:
    """Remove a group; its sites and their meetings stay as they are."""
    await remove_group(core, who, group)
    return Response(status_code=204)


def group_view(who: Actor, group: Group) -> View:
    """A group and the ids of its sites in scope."""
    sites = sorted(member.site_id for member in group.members if who.sees(member.site_id))
    return {"id": group.id, "name": group.name, "sites": sites}
