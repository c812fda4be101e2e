"""/api/v1/sites."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from diemcau_wire.messages import SiteId
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from ..actions.add_site import add_site, change_site
from ..actions.controller import Controller
from ..actions.export_sites import MEDIA_TYPES, sites_table, table_as
from ..actions.import_sites import ImportPlan, NewAreas, import_sites, plan_import
from ..actions.remove_site import remove_site, restore_site
from ..actions.scope import site_for
from ..actions.site_spec import SitePatch, SiteSpec
from ..actions.site_versions import version_of
from ..adapters.table_file import read_table
from ..rules.actor import SYSTEM, Actor
from ..rules.site_table import Row, read_rows
from .access import Administrator, Contractor, Core, KeyedOperator, Operator, Viewer
from .answers import answers
from .views import View, site_views

router = APIRouter(prefix="/sites", tags=["sites"])

_TABLE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": "Mã,Tên\nea-tul,Xã Ea Tul\n"},
            MEDIA_TYPES["xlsx"]: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()}
    }
}


@router.get("")
def list_sites(core: Core, who: Contractor) -> list[View]:
    """Every site with its unit and what is known of it."""
    with core.database.read() as session:
        return site_views(session, who)


@router.post("", status_code=201, responses=answers(409, 422))
async def post_site(core: Core, who: Operator, spec: SiteSpec) -> View:
    """Add a site."""
    site = await add_site(core, who, spec)
    with core.database.read() as session:
        return one_site(session, site)


@router.post("/import", status_code=201, responses=answers(422), openapi_extra=_TABLE)
async def post_sites(
    core: Core,
    who: Administrator,
    request: Request,
    response: Response,
    dry_run: Annotated[bool, Query(description="Only say what would be done.")] = False,
    make_areas: Annotated[bool, Query(description="Make areas that nobody knows yet.")] = False,
    parent: Annotated[SiteId | None, Query(description="The area new ones lie in.")] = None,
    tier: Annotated[
        str, Query(description="The tier of new areas whose name tells none.", max_length=60)
    ] = "",
) -> View:
    """Add sites from a table (CSV in UTF-8, UTF-16 or Windows-1258, or XLSX): all of them, or none.

    With `dry_run` nothing is added, and the answer is 200 with what each line comes to.
    """
    rows = await read_sites_table(await request.body())
    new_areas = NewAreas(parent, {"": tier} if tier else {}) if make_areas else None
    if not dry_run:
        plan = await import_sites(core, who, rows, new_areas)
        return {"added": [site.id for site in plan.sites], "areas": [area.id for area in plan.areas]}
    response.status_code = 200
    return plan_view(await planned(core, who, rows, new_areas))


@router.get("/export", response_class=Response, responses={**answers(422), **_FILE})
def export_sites(core: Core, who: Viewer, form: Literal["csv", "xlsx"] = "csv") -> Response:
    """Every site in scope, as the table that import reads."""
    with core.database.read() as session:
        table = sites_table(session, who)
    return Response(
        table_as(form, table),
        media_type=MEDIA_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="diem-cau.{form}"'},
    )


@router.get("/{site}", responses=answers(404))
def get_site(core: Core, who: Contractor, site: str) -> View:
    """One site."""
    with core.database.read() as session:
        site_for(session, who, site)
        return {**site_views(session, who, [site])[0], "version": version_of(session, site)}


@router.patch("/{site}", responses=answers(404, 409, 422))
async def patch_site(core: Core, who: Operator, site: str, change: SitePatch) -> View:
    """Change a site's settings; its unit gets the new configuration.

    With the `version` it was read at: 409 when somebody else has changed it since.
    """
    await change_site(core, who, site, change, change.version)
    with core.database.read() as session:
        return {**one_site(session, site), "version": version_of(session, site)}


@router.delete("/{site}", responses=answers(404, 409))
async def delete_site(core: Core, who: KeyedOperator, site: str) -> View:
    """Take a site out of service: `left` names the meetings it is out of, `attends` those it still attends.
    Its unit is ended like one that is revoked, after the last of these.

    409 while it is the main site of a meeting that runs or is to come.
    """
    removal = await remove_site(core, who, site)
    return {"id": site, "left": removal.left, "attends": removal.attends}


@router.post("/{site}/restore", responses=answers(404))
async def post_restore(core: Core, who: Administrator, site: str) -> View:
    """Undo a removal; `meetings` names those the site is in again. It has no unit."""
    return {"id": site, "meetings": await restore_site(core, who, site)}


async def read_sites_table(data: bytes) -> list[Row]:
    """The rows of a table somebody sent, read beside the event loop."""
    return await asyncio.to_thread(lambda: read_rows(read_table(data)))


async def planned(core: Controller, who: Actor, rows: list[Row], new_areas: NewAreas | None) -> ImportPlan:
    """What an import would do, found out beside the event loop: a large table takes seconds."""

    def plan() -> ImportPlan:
        with core.database.read() as session:
            return plan_import(session, who, rows, new_areas)

    return await asyncio.to_thread(plan)


def plan_view(plan: ImportPlan) -> View:
    """What an import would do, line by line."""
    return {
        "sites": [
            {
                "line": site.line,
                "id": site.id,
                "name": site.name,
                "area": site.area,
                "new_area": site.new_area,
                "errors": [wrong.text for wrong in site.wrong],
            }
            for site in plan.sites
        ],
        "areas": [
            {"id": area.id, "name": area.name, "tier": area.tier, "parent": area.parent}
            for area in plan.areas
        ],
    }


def one_site(session: Session, site: str) -> View:
    """The view of a site that is known to be there and in scope."""
    return site_views(session, SYSTEM, [site])[0]
