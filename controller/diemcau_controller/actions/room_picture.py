"""A picture of a hall, taken by one of its cameras when somebody at the coordinator's asks for it.

Only where the site allows it, only the newest of each camera, and for a day.
"""

from __future__ import annotations

import asyncio
import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from sqlalchemy.orm import Session

from ..rules.refusals import Conflict, Invalid
from ..rules.sources import masked
from ..store.tables import Unit
from .controller import Controller
from .tokens import digest

MAX_BYTES = 2 * 1024 * 1024
KEPT = timedelta(hours=24)
_WIDTH, _HEIGHT = 1280, 720
_MOST_PIXELS = 3840 * 2160
_MOST_CAMERAS = 8
_BROKEN = (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError)


@dataclass(frozen=True, slots=True)
class RoomPicture:
    """A picture that is there, and when it came."""

    path: Path
    at: datetime


async def receive_room_picture(controller: Controller, unit_id: str, camera: str, data: bytes) -> None:
    """Keep a picture (PNG, JPEG or WebP of at most 2 MiB) as the newest of that camera of the unit; "" is
    the one that is configured.

    What else a file may hold, such as where it was taken, is not kept. Raises :class:`Conflict` where the
    site does not allow it.
    """
    now = controller.now()
    with controller.database.read() as session:
        site, configured = _allowing(session, unit_id)
    if len(data) > MAX_BYTES:
        raise Invalid("the picture is larger than 2 MB: send a smaller one")
    await asyncio.to_thread(_keep, controller, unit_id, camera or configured, data, now)
    controller.news.tell("devices", unit=unit_id, site=site)


def room_picture(controller: Controller, unit_id: str, camera: str) -> RoomPicture | None:
    """The newest picture of a camera, if it is of the last day. `unit_id` must have been checked."""
    path = _path(controller, unit_id, camera)
    try:
        at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None
    return RoomPicture(path, at) if controller.now() - at < KEPT else None


async def drop_room_pictures(controller: Controller, unit_id: str | None = None) -> None:
    """Delete those of a unit whose site no longer allows them or is another, or (None) all of a day ago."""
    limit = controller.now() - KEPT

    def drop() -> None:
        for path in controller.state.pictures.glob(f"{unit_id or '*'}.room-*.webp"):
            if unit_id is not None or datetime.fromtimestamp(path.stat().st_mtime, UTC) < limit:
                path.unlink(missing_ok=True)

    await asyncio.to_thread(drop)


def _allowing(session: Session, unit_id: str) -> tuple[str, str]:
    """The unit's site and its camera."""
    unit = session.get(Unit, unit_id)
    if unit is None or unit.site is None or not unit.site.room_pictures:
        raise Conflict(
            "the site does not allow pictures of its room: set room_pictures first",
            code="devices.no_room_pictures",
        )
    return unit.site.id, unit.site.camera


def _keep(controller: Controller, unit_id: str, camera: str, data: bytes, now: datetime) -> None:
    path = _path(controller, unit_id, camera)
    fresh = path.with_name(f".{path.name}.new")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise Invalid(f"the picture has more than {_MOST_PIXELS} pixels: send a smaller one")
            plain = picture.convert("RGB")
        plain.thumbnail((_WIDTH, _HEIGHT))
        plain.save(fresh, "WEBP", quality=80)
    except Invalid:
        raise
    except _BROKEN:
        fresh.unlink(missing_ok=True)
        raise Invalid("this is no whole picture: send PNG, JPEG or WebP") from None
    os.utime(fresh, (now.timestamp(), now.timestamp()))
    fresh.replace(path)
    others = sorted(path.parent.glob(f"{unit_id}.room-*.webp"), key=lambda one: one.stat().st_mtime)
    for old in others[:-_MOST_CAMERAS]:
        old.unlink(missing_ok=True)


def _path(controller: Controller, unit_id: str, camera: str) -> Path:
    """A password says nothing about which camera it is: who is shown the address without it finds it."""
    return controller.state.pictures / f"{unit_id}.room-{digest(masked(camera))[:16]}.webp"
