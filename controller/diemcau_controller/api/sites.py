"""/api/v1/sites and /api/v1/areas."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.add_area import AreaSpec, add_area
from ..actions.add_site import SiteChange, SiteSpec, add_site, change_site
from ..actions.import_sites import import_sites
from ..actions.scope import site_for
from ..rules.actor import SYSTEM
from ..store.tables import Area
from .access import Administrator, Contractor, Core, Operator, Viewer
from .views import View, area_view, site_view, site_views

router = APIRouter(tags=["sites"])


@router.get("/sites")
def list_sites(core: Core, who: Contractor) -> list[View]:
    """Every site with its unit and what is known of it."""
    return [site_view(site) for site in core.fleet.now().of(who)]


@router.post("/sites", status_code=201)
async def post_site(core: Core, who: Operator, spec: SiteSpec) -> View:
    """Add a site."""
    site = await add_site(core, who, spec)
    with core.database.read() as session:
        return one_site(session, site)


@router.post("/sites/import", status_code=201)
async def post_sites(core: Core, who: Administrator, request: Request) -> dict[str, list[str]]:
    """Add sites from CSV (UTF-8) in the body: all of them, or none."""
    return {"added": await import_sites(core, who, await request.body())}


@router.get("/sites/{site}")
def get_site(core: Core, who: Contractor, site: str) -> View:
    """One site."""
    with core.database.read() as session:
        site_for(session, who, site)
        return one_site(session, site)


@router.patch("/sites/{site}")
async def patch_site(core: Core, who: Operator, site: str, change: SiteChange) -> View:
    """Change a site's settings; its unit gets the new configuration."""
    await change_site(core, who, site, change)
    with core.database.read() as session:
        return one_site(session, site)


@router.get("/areas")
def list_areas(core: Core, who: Viewer) -> list[View]:
    """The tree of areas, as a list."""
    with core.database.read() as session:
        return [area_view(area) for area in session.scalars(select(Area).order_by(Area.name))]


@router.post("/areas", status_code=201)
async def post_area(core: Core, who: Administrator, spec: AreaSpec) -> View:
    """Add an area."""
    area = await add_area(core, who, spec)
    with core.database.read() as session:
        return area_view(session.get_one(Area, area))


def one_site(session: Session, site: str) -> View:
    """The view of a site that is known to be there and in scope."""
    return site_views(session, SYSTEM, [site])[0]
