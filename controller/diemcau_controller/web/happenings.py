"""What just happened at the sites, for a screen on the wall: what whoever watches wants to have seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from diemcau_wire.messages import EventKind
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.fleet import SiteNow
from ..rules.actor import Actor
from ..store.tables import EventRow
from .words import Words

_TOLD = 18
_LOOKED_AT = 100
_LATELY = timedelta(hours=24)
# Cameras and microphones that open and close, and turns at speaking, are on the meeting's own page.
_WORTH = (
    EventKind.BOOTED,
    EventKind.VERDICT,
    EventKind.JOINED,
    EventKind.DROPPED,
    EventKind.REJOINED,
    EventKind.LEFT,
    EventKind.JOIN_FAILED,
    EventKind.DECLINED,
    EventKind.CAMERA_LOST,
    EventKind.MICROPHONE_LOST,
    EventKind.DEVICE_REMOVED,
    EventKind.LOCAL_STOP,
    EventKind.PROCESS_ENDED,
    EventKind.DISK_FULL,
)


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of the log."""

    at: datetime
    site_name: str
    text: str


def just_happened(
    session: Session, who: Actor, sites: Mapping[str, SiteNow], words: Words
) -> list[Happening]:
    """The newest of what is worth a look, of sites in scope; a check that found nothing is not."""
    rows = session.scalars(select(EventRow).order_by(EventRow.number.desc()).limit(_LOOKED_AT))
    told = [
        Happening(row.at, sites[row.site].name, event_text(words, row.kind, row.data))
        for row in rows
        if row.site is not None and row.site in sites and who.sees(row.site)
        if row.kind in _WORTH and row.data.get("verdict") != "ready" and words.now - row.at < _LATELY
    ]
    return sorted(told, key=lambda one: one.at, reverse=True)[:_TOLD]


def event_text(words: Words, kind: str, data: Mapping[str, object]) -> str:
    """An event in a few words; of a check what it came to."""
    verdict = words.known("state", str(data.get("verdict") or "unknown"), "unknown")
    return words.known("event", kind, kind).replace("{verdict}", verdict)
