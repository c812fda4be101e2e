"""How a unit shall be set up: `desired/config`, made from its site and published only when changed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from diemcau_wire.messages import (
    Buttons,
    Camera,
    Checks,
    Contact,
    DesiredConfig,
    Join,
    Microphone,
    Privacy,
    Screen,
    SiteInfo,
    Sound,
    Television,
    Updates,
    Upload,
    Video,
)
from diemcau_wire.topics import Channel
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from ..config import Settings
from ..store.tables import Desired, Site, Unit
from .controller import Letter
from .tokens import digest, new_pin


def renew_config(session: Session, settings: Settings, units: Iterable[Unit]) -> list[Letter]:
    """Bring the desired configuration of these units up to date, inside a transaction; gives the letters."""
    letters = []
    for unit in units:
        if unit.site is None:
            continue
        upload = _upload(session, settings, unit)
        letters += _store(session, unit, _config(settings, unit, unit.site, upload))
    return letters


def renew_every_config(session: Session, settings: Settings) -> None:
    """The same for every unit that serves a site, when the controller starts: it may be a newer one than the
    one that wrote them, or its settings may have changed. What differs is sent on connecting."""
    units = select(Unit).where(Unit.site_id.is_not(None))
    renew_config(session, settings, session.scalars(units.options(joinedload(Unit.site))))


def _store(session: Session, unit: Unit, message: DesiredConfig) -> list[Letter]:
    row = session.get(Desired, (unit.id, Channel.DESIRED_CONFIG.value))
    document = message.model_dump(mode="json", exclude_none=True)
    if message.checks.morning_at is None:  # of this one, absent means the usual time
        document["checks"]["morning_at"] = None
    if row is None:
        row = Desired(unit=unit.id, channel=Channel.DESIRED_CONFIG.value, rev=0, document={})
        session.add(row)
    elif {**row.document, "rev": 0} == {**document, "rev": 0}:
        return []
    row.rev += 1
    row.document = {**document, "rev": row.rev}
    return [Letter(message.model_copy(update={"rev": row.rev}), Channel.DESIRED_CONFIG)]


def _config(settings: Settings, unit: Unit, site: Site, upload: Upload) -> DesiredConfig:
    return DesiredConfig(
        unit=unit.id,
        epoch=unit.epoch,
        rev=0,
        site=SiteInfo(id=site.id, name=site.name, area=site.area.name if site.area else ""),
        coordinator=Contact(name=settings.coordinator.name, phone=settings.coordinator.phone),
        camera=Camera(
            source=site.camera, small=site.camera_small, onvif=site.camera_onvif, preset=site.camera_preset
        ),
        microphone=Microphone(source=site.microphone, echo_cancellation=site.echo_cancellation),
        sound=Sound(output=site.sound, volume_percent=site.volume_percent),
        television=Television(control=site.television),
        buttons=Buttons(source=site.buttons),
        checks=Checks(morning_at=site.morning_at, tone=site.check_tone),
        privacy=Privacy(room_pictures=site.room_pictures),
        updates=Updates(neighbour=site.neighbour),
        video=Video(width=site.width, height=site.height, fps=site.fps, bitrate_bps=site.bitrate_bps),
        screen=Screen(width=site.screen_width, height=site.screen_height),
        language="en" if site.language == "en" else "vi",
        health_interval_s=settings.health_interval_s,
        upload=upload,
        check_room=_check_room(settings, site),
    )


def _check_room(settings: Settings, site: Site) -> Join:
    """The site's own test room; the service that keeps rooms makes it."""
    if site.check_room is None or site.check_pin is None:
        site.check_room = f"check-{secrets.token_hex(8)}"
        site.check_pin, site.check_secret = new_pin(), secrets.token_hex(16)
    return Join(url=settings.janus_url, room=site.check_room, pin=site.check_pin)


def _upload(session: Session, settings: Settings, unit: Unit) -> Upload:
    """Where the unit puts pictures; its token lives in its own desired document, here only as a digest."""
    url = f"{settings.web_url}/api/v1/units/{unit.id}/picture"
    row = session.get(Desired, (unit.id, Channel.DESIRED_CONFIG.value))
    token = str(row.document.get("upload", {}).get("token", "")) if row else ""
    if not token or digest(token) != unit.upload_token_hash:
        token = secrets.token_urlsafe(24)
        unit.upload_token_hash = digest(token)
    return Upload(url=url, token=token)
