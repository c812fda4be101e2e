"""What the API gives out and the pages show, read from the database: plain dictionaries, ready for JSON.

Times are RFC 3339 UTC. A site's `state` is one word for the board: `not_ready`, `lost`, `offline`,
`silent`, `no_unit`, `never`, `remark`, `unknown`, `ready`, `in_meeting`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from diemcau_wire.topics import Channel
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from ..actions.attendance import attendance_of
from ..config import Settings
from ..rules.actor import Actor
from ..rules.attendance import Attendance
from ..store.tables import VERDICT, Area, Desired, Invitation, Meeting, Newest, Occurrence, Site, Unit

View = dict[str, Any]

WORST_FIRST = (
    "not_ready",
    "lost",
    "silent",
    "offline",
    "remark",
    "unknown",
    "never",
    "no_unit",
    "in_meeting",
    "ready",
)


def text(moment: datetime | None) -> str | None:
    """A moment as RFC 3339."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def area_view(area: Area) -> View:
    return {"id": area.id, "name": area.name, "tier": area.tier, "parent": area.parent_id}


def site_views(session: Session, who: Actor, site_id: str | None = None) -> list[View]:
    """Every site in scope (or the one of that id) with its unit, by name."""
    query = select(Site).options(selectinload(Site.unit), selectinload(Site.area)).order_by(Site.name)
    query = query.where(Site.removed_at.is_(None))
    if who.sites is not None:
        query = query.where(Site.id.in_(who.sites))
    if site_id is not None:
        query = query.where(Site.id == site_id)
    sites = session.scalars(query).all()
    known = _documents(session, [site.unit for site in sites if site.unit is not None])
    return [_site_view(site, known) for site in sites]


def unit_views(session: Session, who: Actor, unit_id: str | None = None) -> list[View]:
    """Every unit in scope (or the one of that id)."""
    query = select(Unit).order_by(Unit.id)
    if who.sites is not None:
        query = query.where(Unit.site_id.in_(who.sites))
    if unit_id is not None:
        query = query.where(Unit.id == unit_id)
    units = session.scalars(query).all()
    known = _documents(session, units)
    return [_unit_view(unit, known) for unit in units]


def meeting_view(session: Session, who: Actor, meeting: Meeting, since: datetime | None = None) -> View:
    """A meeting as announced, with its sites in scope and its occurrences from `since` to the horizon."""
    query = select(Occurrence).where(Occurrence.meeting_id == meeting.id).order_by(Occurrence.starts_at)
    rows = session.scalars(query if since is None else query.where(Occurrence.cap_at > since))
    return {
        "id": meeting.id,
        "title": meeting.title,
        "kind": meeting.kind,
        "starts_local": meeting.starts_local,
        "rrule": meeting.rrule,
        "duration_s": meeting.duration_s,
        "main_site": meeting.main_site_id,
        "sites": [site for site in meeting.site_ids if who.sees(site)],
        "cancelled": meeting.cancelled_at is not None,
        "occurrences": [occurrence_view(who, row) for row in rows],
    }


def occurrence_view(who: Actor, row: Occurrence) -> View:
    """An occurrence without its way in."""
    meeting = row.meeting
    return {
        "id": row.id,
        "meeting_id": row.meeting_id,
        "title": meeting.title,
        "kind": meeting.kind,
        "opens_at": text(row.opens_at),
        "starts_at": text(row.starts_at),
        "ends_at": text(row.ends_at),
        "cap_at": text(row.cap_at),
        "finished_at": text(row.finished_at),
        "closed": row.closed_at is not None,
        "main_site": meeting.main_site_id,
        "sites": [site for site in meeting.site_ids if who.sees(site)],
        "floor": {"seq": row.floor_seq, "speakers": list(row.floor_speakers)},
        "reported_at": text(row.reported_at),
    }


def attendance_view(session: Session, who: Actor, row: Occurrence) -> View:
    """An occurrence with who of the sites in scope is in: from events and what units say of their session."""
    known = attendance_of(session, row)
    sites = {view["id"]: view for view in site_views(session, who) if view["id"] in known}
    view = occurrence_view(who, row)
    view["attendance"] = [
        _attendance(sites[site], attendance, row) for site, attendance in known.items() if site in sites
    ]
    return view


def join_info(row: Occurrence, settings: Settings) -> View:
    """The way in: whoever has it can take part."""
    return {
        "url": settings.janus_url,
        "room": row.room,
        "pin": row.pin,
        "expires_at": text(row.cap_at),
        "sites": row.meeting.site_ids,
    }


def current_occurrences(session: Session, who: Actor, now: datetime, within: timedelta) -> list[Occurrence]:
    """What runs now, or else what comes next within that time, with a site in scope; in order of time."""
    query = (
        select(Occurrence)
        .where(Occurrence.finished_at.is_(None), Occurrence.cap_at > now, Occurrence.opens_at < now + within)
        .order_by(Occurrence.starts_at)
    )
    if who.sites is not None:
        own = select(Invitation.meeting_id).where(Invitation.site_id.in_(who.sites))
        query = query.where(Occurrence.meeting_id.in_(own))
    rows = session.scalars(query.limit(20)).all()
    running = [row for row in rows if row.opens_at <= now]
    return running or list(rows[:1])


def _documents(session: Session, units: Iterable[Unit]) -> dict[tuple[str, str], View]:
    """Newest and desired documents of these units, by unit and channel."""
    ids = [unit.id for unit in units]
    found: dict[tuple[str, str], View] = {}
    # A whole fleet is read at once; a few units by their ids.
    newest, desired = select(Newest), select(Desired.unit, Desired.channel, Desired.rev)
    if len(ids) <= 100:
        newest, desired = newest.where(Newest.unit.in_(ids)), desired.where(Desired.unit.in_(ids))
    for row in session.scalars(newest):
        found[row.unit, row.channel] = {**row.document, "at": text(row.at)}
    for unit, channel, rev in session.execute(desired):
        found[unit, channel] = {"rev": rev}
    return found


def _site_view(site: Site, known: dict[tuple[str, str], View]) -> View:
    unit = _unit_view(site.unit, known) if site.unit is not None else None
    return {
        "id": site.id,
        "name": site.name,
        "area": area_view(site.area) if site.area is not None else None,
        "is_centre": site.is_centre,
        "contacts": site.contacts,
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
        "epoch": site.epoch,
        "state": _state(unit),
        "unit": unit,
    }


def _state(unit: View | None) -> str:
    if unit is None:
        return "no_unit"
    status = str(unit["status"])
    if status in ("lost", "offline", "silent", "never"):
        return status
    session = unit["session"]
    if session is not None and session.get("state") in ("in_meeting", "reconnecting"):
        return "in_meeting"
    return str(unit["readiness"]["verdict"])


def _unit_view(unit: Unit, known: dict[tuple[str, str], View]) -> View:
    def document(channel: str) -> View | None:
        return known.get((unit.id, channel))

    def revision(channel: Channel, reported: Channel) -> View:
        desired, told = document(channel) or {}, document(reported) or {}
        return {"desired": desired.get("rev"), "reported": told.get("rev"), "error": told.get("error")}

    verdict = document(VERDICT) or {}
    return {
        "id": unit.id,
        "site": unit.site_id,
        "epoch": unit.epoch,
        "status": unit.status,
        "last_seen": text(unit.last_seen),
        "boot_id": unit.boot_id,
        "version": unit.version,
        "picture_at": text(unit.picture_at),
        "readiness": {
            "verdict": verdict.get("verdict", "unknown"),
            "instruction": verdict.get("instruction", ""),
            "at": verdict.get("at"),
        },
        "session": document(Channel.REPORTED_SESSION),
        "health": document(Channel.HEALTH),
        "config": revision(Channel.DESIRED_CONFIG, Channel.REPORTED_CONFIG),
        "schedule": revision(Channel.DESIRED_SCHEDULE, Channel.REPORTED_SCHEDULE),
    }


def _attendance(site: View, known: Attendance, row: Occurrence) -> View:
    unit = site["unit"]
    session = (unit or {}).get("session") or {}
    here = session.get("meeting") == row.id and unit["status"] in ("online", "silent")
    return {
        "site": site["id"],
        "name": site["name"],
        "state": site["state"],
        "joined": known.joined,
        "present": known.present,
        "left": known.left,
        "drop_outs": known.drop_outs,
        "has_floor": site["id"] in row.floor_speakers,
        "session": session.get("state") if here else None,
        "mic": session.get("mic") if here else None,
        "slots": session.get("slots", []) if here else [],
    }
