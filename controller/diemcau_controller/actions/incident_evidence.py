"""What was known of a site when something went wrong, kept with its incident."""

from __future__ import annotations

from typing import Any

from diemcau_wire.topics import Channel
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..store.tables import VERDICT, EventRow, Newest, Site, Unit
from .controller import Controller
from .incident_files import keep_picture
from .ingest import event_view
from .kept_files import Kept
from .receive_picture import picture_path

LAST_EVENTS = 10

Evidence = dict[str, Any]


def evidence_of(session: Session, site: Site) -> Evidence:
    """The state of a site's unit as a document: `unit`, `health`, `session`, `verdict`, last `events`.

    All are None (and no events) for a site without a unit.
    """
    unit = site.unit
    if unit is None:
        return {"unit": None, "health": None, "session": None, "verdict": None, "events": []}
    rows = session.scalars(
        select(EventRow).where(EventRow.unit == unit.id).order_by(EventRow.number.desc()).limit(LAST_EVENTS)
    )
    return {
        "unit": {
            "id": unit.id,
            "status": unit.status,
            "last_seen": _text(unit.last_seen),
            "version": unit.version,
            "boot_id": unit.boot_id,
        },
        "health": _newest(session, unit, Channel.HEALTH.value),
        "session": _newest(session, unit, Channel.REPORTED_SESSION.value),
        "verdict": _newest(session, unit, VERDICT),
        "events": [event_view(row) for row in rows],
    }


def picture_of(controller: Controller, site_id: str) -> Kept | None:
    """The newest picture of the site's screen, kept. Blocks."""
    with controller.database.read() as session:
        site = session.get(Site, site_id)
        unit = site.unit if site is not None else None
        if unit is None or unit.picture_at is None:
            return None
        path, name = picture_path(controller, unit.id), f"{site_id}-{unit.picture_at:%Y%m%d-%H%M%S}.png"
    return keep_picture(controller, path, name)


def _newest(session: Session, unit: Unit, channel: str) -> Evidence | None:
    row = session.get(Newest, (unit.id, channel))
    return None if row is None else {**row.document, "at": _text(row.at)}


def _text(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat()).replace("+00:00", "Z")
