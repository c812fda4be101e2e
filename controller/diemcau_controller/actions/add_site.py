"""Add a site, or change what is known of one."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Conflict, Invalid
from ..rules.sources import masked_all, masked_change
from ..store.tables import Site
from .audit import record
from .controller import Controller, Letter
from .desired import renew_schedule
from .desired_config import renew_config
from .new_id import new_id
from .room_picture import drop_room_pictures
from .scope import need_area, site_for
from .site_spec import SiteChange, SiteSpec, apply, new_site, site_settings
from .site_versions import need_version

# What stands beside the sites in addresses: /sites/new, /api/v1/sites/export …
RESERVED_IDS = frozenset({"areas", "export", "groups", "import", "new", "template"})


async def add_site(controller: Controller, who: Actor, spec: SiteSpec) -> str:
    """Add it and give its id."""
    site_id = await controller.write(lambda session: insert_site(controller, session, who, spec))
    controller.news.tell("site", site=site_id)
    return site_id


def insert_site(controller: Controller, session: Session, who: Actor, spec: SiteSpec) -> str:
    """The part of :func:`add_site` inside a transaction."""
    site_id = new_id(spec.id, spec.name)
    if site_id in RESERVED_IDS:
        raise Invalid(
            f"{site_id} cannot be the id of a site: choose another id",
            code="sites.id_reserved",
            field="id",
            site=site_id,
        )
    if (there := session.get(Site, site_id)) is not None:
        if there.removed_at is not None:
            raise Conflict(
                f"site {site_id} exists already, but was removed: restore it, or choose another id",
                code="sites.was_removed",
                field="id",
                site=site_id,
            )
        raise Conflict(
            f"site {site_id} exists already: choose another id", code="sites.exists", field="id", site=site_id
        )
    need_area(session, who, spec.area)
    site = new_site(site_id, spec, controller.settings.language)
    session.add(site)
    session.flush()
    known = masked_all(site_settings(site))
    record(session, who, controller.now(), "site.add", f"site:{site_id}", after=known)
    return site_id


async def change_site(
    controller: Controller, who: Actor, site_id: str, change: SiteChange, version: int | None = None
) -> None:
    """Change a site and tell its unit; a new name also goes to every unit that meets it.

    Raises :class:`SiteChangedMeanwhile` when somebody has changed it since `version` (None: whatever it is).
    """

    def transaction(session: Session) -> tuple[list[Letter], str | None]:
        site = site_for(session, who, site_id)
        need_version(session, site, version)
        if "area" in change.model_fields_set and change.area != site.area_id:
            need_area(session, who, change.area)
        before = site_settings(site)
        apply(site, change)
        session.flush()
        was, known = masked_change(before, site_settings(site))
        record(session, who, controller.now(), "site.change", f"site:{site_id}", before=was, after=known)
        letters = renew_config(session, controller.settings, [site.unit] if site.unit else [])
        if change.name is not None:
            letters += renew_schedule(session, controller.settings, controller.now())
        return letters, site.unit.id if site.unit else None

    letters, unit = await controller.write(transaction)
    controller.send(letters)
    if unit is not None and change.room_pictures is False:
        await drop_room_pictures(controller, unit)
    controller.news.tell("site", site=site_id)
