"""Take a picture of a hall's screen from its unit."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from sqlalchemy.orm import Session

from ..rules.refusals import Invalid, NotFound, Refusal
from ..store.tables import Unit
from .controller import Controller
from .tokens import digest

MAX_BYTES = 2 * 1024 * 1024
_PNG = b"\x89PNG\r\n\x1a\n"
_END = b"IEND\xae\x42\x60\x82"


class WrongToken(Refusal):
    """Whoever sends the picture is not the unit."""


def check_upload(controller: Controller, unit_id: str, token: str) -> None:
    """Raise :class:`WrongToken` unless `token` is the upload token of that unit."""
    with controller.database.read() as session:
        unit = session.get(Unit, unit_id)
        expected = unit.upload_token_hash if unit is not None else None
    if expected is None or not hmac.compare_digest(digest(token), expected):
        raise WrongToken("this token is not the unit's: it is in the unit's desired configuration")


async def receive_picture(controller: Controller, unit_id: str, data: bytes) -> None:
    """Keep `data` as the unit's newest picture. Refuses what is not a whole PNG of at most 2 MiB."""
    if len(data) > MAX_BYTES:
        raise Invalid("the picture is larger than 2 MB: send a smaller one")
    if not data.startswith(_PNG) or not data.endswith(_END):
        raise Invalid("this is not a whole PNG picture: send image/png")
    path = picture_path(controller, unit_id)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

    def change(session: Session) -> str | None:
        unit = session.get(Unit, unit_id)
        if unit is None:
            raise NotFound(f"there is no unit {unit_id}")
        unit.picture_at = controller.now()
        return unit.site_id

    site = await controller.write(change)
    controller.news.tell("unit", unit=unit_id, site=site, picture=True)


def picture_path(controller: Controller, unit_id: str) -> Path:
    """Where the newest picture of a unit lies. `unit_id` must have been checked."""
    return controller.state.pictures / f"{unit_id}.png"
