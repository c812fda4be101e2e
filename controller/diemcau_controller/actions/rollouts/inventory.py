"""The fleet as Ansible knows it: each unit with its site, areas, ring and hardware."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...rules.actor import Actor
from ...rules.naming import slug
from ...rules.rings import ALL
from ...rules.ssh_address import read_ssh_address
from ...store.tables import Area, Enrolment, Site, SiteRing, Unit

_AT_A_TIME = 500


def inventory(session: Session, who: Actor) -> list[dict[str, Any]]:
    """Every unit that serves a site in scope, by its id: `unit`, `site`, `name`, `areas` (ids, the highest
    first), `ring`, `hardware` (a short name, or ""), `status`, `version`, `ssh_host` and `ssh_port` (where it
    is reached directly: "" and 0 where it is not)."""
    areas = {area.id: area for area in session.scalars(select(Area))}
    rings = {site: ring for site, ring in session.execute(select(SiteRing.site_id, SiteRing.ring))}
    hardware = _hardware(session)
    rows = (
        select(Unit, Site)
        .join(Site, Site.id == Unit.site_id)
        .where(Site.removed_at.is_(None))
        .order_by(Unit.id)
    )
    return [
        {
            "unit": unit.id,
            "site": site.id,
            "name": site.name,
            "areas": _path(site.area_id, areas),
            "ring": rings.get(site.id, ALL),
            "hardware": hardware.get(unit.id, ""),
            "status": unit.status,
            "version": unit.version,
            **_direct(site),
        }
        for unit, site in session.execute(rows)
        if who.sees(site.id)
    ]


def variables_of(session: Session, unit_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Ansible's variables of these units that do not say how they are reached."""
    ids, found = sorted(unit_ids), {}
    for start in range(0, len(ids), _AT_A_TIME):
        rows = (
            select(Unit.id, Unit.site_id, Site.area_id)
            .outerjoin(Site, Site.id == Unit.site_id)
            .where(Unit.id.in_(ids[start : start + _AT_A_TIME]))
        )
        for unit, site, area in session.execute(rows):
            found[unit] = {"diemcau_site": site or "", "diemcau_area": area or ""}
    return found


def _direct(site: Site) -> dict[str, Any]:
    host, port = read_ssh_address(site.ssh_address) if site.ssh_address is not None else ("", 0)
    return {"ssh_host": host, "ssh_port": port}


def _hardware(session: Session) -> dict[str, str]:
    """The model of each unit, as it said when it was admitted."""
    rows = select(Enrolment.unit_id, Enrolment.model).where(Enrolment.decided_at.is_not(None))
    return {unit: slug(model) for unit, model in session.execute(rows.order_by(Enrolment.created_at))}


def _path(area_id: str | None, areas: dict[str, Area]) -> list[str]:
    path: list[str] = []
    while area_id is not None and area_id in areas and area_id not in path:
        path.append(area_id)
        area_id = areas[area_id].parent_id
    return path[::-1]
