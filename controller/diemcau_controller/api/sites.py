"""/api/v1/sites and /api/v1/areas."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.add_area import AreaSpec, add_area
from ..actions.add_site import SiteChange, SiteSpec, add_site, change_site
from ..actions.import_sites import import_sites
from ..rules.refusals import NotFound
from ..store.tables import Area
from .access import Administrator, Core, Operator, Viewer
from .views import View, area_view, site_views

router = APIRouter(tags=["sites"])


@router.get("/sites")
def list_sites(core: Core, who: Viewer) -> list[View]:
    """Every site with its unit and what is known of it."""
    with core.database.read() as session:
        return site_views(session)


@router.post("/sites", status_code=201)
async def post_site(core: Core, who: Operator, spec: SiteSpec) -> View:
    """Add a site."""
    site = await add_site(core, spec)
    with core.database.read() as session:
        return one_site(session, site)


@router.post("/sites/import", status_code=201)
async def post_sites(core: Core, who: Administrator, request: Request) -> dict[str, list[str]]:
    """Add sites from CSV (UTF-8) in the body: all of them, or none."""
    return {"added": await import_sites(core, await request.body())}


@router.get("/sites/{site}")
def get_site(core: Core, who: Viewer, site: str) -> View:
    """One site."""
    with core.database.read() as session:
        return one_site(session, site)


@router.patch("/sites/{site}")
async def patch_site(core: Core, who: Operator, site: str, change: SiteChange) -> View:
    """Change a site's settings; its unit gets the new configuration."""
    await change_site(core, site, change)
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
    area = await add_area(core, spec)
    with core.database.read() as session:
        return area_view(session.get_one(Area, area))


def one_site(session: Session, site: str) -> View:
    """The view of one site, or a refusal."""
    found = site_views(session, site)
    if not found:
        raise NotFound(f"there is no site {site}: `diemcau site list` shows those there are")
    return found[0]
