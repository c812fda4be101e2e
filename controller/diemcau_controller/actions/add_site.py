"""Add a site, or change what is known of one."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from diemcau_wire.messages import Contact, Name, Nfc, Screen, SiteId, Video
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.naming import slug
from ..rules.refusals import Conflict, Invalid
from ..store.tables import Site
from .audit import Known, record
from .controller import Controller, Letter
from .desired import renew_config, renew_schedule
from .scope import need_area, site_for

# What stands beside the sites in addresses: /sites/new, /api/v1/sites/export …
RESERVED_IDS = frozenset({"areas", "export", "groups", "import", "new", "template"})


def _source(forms: str, pattern: str) -> AfterValidator:
    known = re.compile(pattern)

    def check(value: str) -> str:
        if known.fullmatch(value) is None:
            raise ValueError(f"write {forms}")
        return value

    return AfterValidator(check)


Setting = Annotated[str, Field(max_length=500)]
Camera = Annotated[
    Setting,
    _source(
        "synthetic, v4l2:/dev/…, rtsp://…, file:PATH or none", r"synthetic|none|(rtsps?://|v4l2:|file:).+"
    ),
]
Microphone = Annotated[Setting, _source("tone:HERTZ, file:PATH or none", r"none|tone:\d{2,5}|file:.+")]
Sound = Annotated[Setting, _source("file:PATH or none", r"none|file:.+")]


class SiteContact(Contact):
    """Somebody to call at a site; `task` says what for, such as `kỹ thuật`."""

    task: Annotated[str, Field(max_length=100), Nfc] = ""


class SiteChange(BaseModel):
    """The settings of a site; what is absent or null stays, except that an `area` of null means none."""

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    area: SiteId | None = None
    is_centre: bool | None = None
    contacts: Annotated[list[SiteContact], Field(max_length=8)] | None = None
    camera: Camera | None = None
    microphone: Microphone | None = None
    sound: Sound | None = None
    video: Video | None = None
    screen: Screen | None = None
    language: Literal["vi", "en"] | None = None


class SiteSpec(SiteChange):
    """A new site. `id` is made from the name if absent."""

    id: SiteId | None = None
    name: Name


async def add_site(controller: Controller, who: Actor, spec: SiteSpec) -> str:
    """Add it and give its id."""
    site_id = await controller.write(lambda session: insert_site(controller, session, who, spec))
    controller.news.tell("site", site=site_id)
    return site_id


def insert_site(controller: Controller, session: Session, who: Actor, spec: SiteSpec) -> str:
    """The part of :func:`add_site` inside a transaction."""
    site_id = spec.id or slug(spec.name)
    if site_id in RESERVED_IDS:
        raise Invalid(
            f"{site_id} cannot be the id of a site: choose another id",
            code="sites.id_reserved",
            field="id",
            site=site_id,
        )
    if not site_id:
        raise Invalid(
            "no id can be made from that name: give an id of letters a-z and digits",
            code="sites.id_needed",
            field="id",
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
    record(session, who, controller.now(), "site.add", f"site:{site_id}", after=site_settings(site))
    return site_id


def new_site(site_id: str, spec: SiteSpec, language: str) -> Site:
    """The row of a new site; `language` where the spec names none."""
    site = Site(id=site_id, name=spec.name, language=language)
    _apply(site, spec)
    return site


async def change_site(controller: Controller, who: Actor, site_id: str, change: SiteChange) -> None:
    """Change a site and tell its unit; a new name also goes to every unit that meets it."""

    def transaction(session: Session) -> list[Letter]:
        site = site_for(session, who, site_id)
        if "area" in change.model_fields_set and change.area != site.area_id:
            need_area(session, who, change.area)
        before = site_settings(site)
        _apply(site, change)
        session.flush()
        record(
            session,
            who,
            controller.now(),
            "site.change",
            f"site:{site_id}",
            before=before,
            after=site_settings(site),
        )
        letters = renew_config(session, controller.settings, [site.unit] if site.unit else [])
        if change.name is not None:
            letters += renew_schedule(session, controller.settings, controller.now())
        return letters

    controller.send(await controller.write(transaction))
    controller.news.tell("site", site=site_id)


def site_settings(site: Site) -> Known:
    """What can be set of a site, in the words of :class:`SiteChange`."""
    return {
        "name": site.name,
        "area": site.area_id,
        "is_centre": site.is_centre,
        "contacts": list(site.contacts or []),
        "camera": site.camera,
        "microphone": site.microphone,
        "sound": site.sound,
        "video": {
            "width": site.width,
            "height": site.height,
            "fps": site.fps,
            "bitrate_bps": site.bitrate_bps,
        },
        "screen": {"width": site.screen_width, "height": site.screen_height},
        "language": site.language,
    }


def _apply(site: Site, change: SiteChange) -> None:
    values: dict[str, Any] = {
        "name": change.name,
        "is_centre": change.is_centre,
        "camera": change.camera,
        "microphone": change.microphone,
        "sound": change.sound,
        "language": change.language,
    }
    if change.contacts is not None:
        values["contacts"] = [one.model_dump() for one in change.contacts]
    if change.video is not None:
        values |= change.video.model_dump()
    if change.screen is not None:
        values |= {"screen_width": change.screen.width, "screen_height": change.screen.height}
    if "area" in change.model_fields_set:
        site.area_id = change.area
    for column, value in values.items():
        if value is not None:
            setattr(site, column, value)
