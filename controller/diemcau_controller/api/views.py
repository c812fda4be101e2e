"""What the API gives out and the pages show, read from the database: plain dictionaries, ready for JSON.

Times are RFC 3339 UTC. A site's `state` and `line` are words of :mod:`..rules.board`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from diemcau_wire.topics import Channel
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.add_meeting import meeting_settings
from ..actions.attendance import attendance_of
from ..actions.fleet import Document, SiteNow, read_documents, read_sites
from ..actions.site_spec import device_settings, picture_settings
from ..config import Settings
from ..rules.actor import Actor, Role
from ..rules.attendance import Attendance
from ..rules.gate import Mode
from ..rules.refusals import Conflict
from ..rules.sources import masked_all
from ..rules.turn import ice_servers
from ..store.tables import VERDICT, Area, Attachment, Meeting, Occurrence, Unit

log = logging.getLogger(__name__)

View = dict[str, Any]


def text(moment: datetime | None) -> str | None:
    """A moment as RFC 3339."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def area_view(area: Area) -> View:
    return {"id": area.id, "name": area.name, "tier": area.tier, "parent": area.parent_id}


def site_views(session: Session, who: Actor, site_ids: Iterable[str] | None = None) -> list[View]:
    """These sites (None: all that are not removed) with their units, as far as in scope, by name."""
    ids = who.sites if site_ids is None else {site for site in site_ids if who.sees(site)}
    return [
        site_view(site, who) for site in read_sites(session, ids) if site_ids is not None or not site.removed
    ]


def unit_views(session: Session, who: Actor, unit_id: str | None = None) -> list[View]:
    """Every unit in scope (or the one of that id)."""
    query = select(Unit).order_by(Unit.id)
    if who.sites is not None:
        query = query.where(Unit.site_id.in_(who.sites))
    if unit_id is not None:
        query = query.where(Unit.id == unit_id)
    units = session.scalars(query).all()
    newest, revisions = read_documents(session, None if unit_id is None else [unit_id])
    return [_unit_view(unit, newest.get(unit.id, {}), revisions.get(unit.id, {})) for unit in units]


def meeting_view(session: Session, who: Actor, meeting: Meeting, since: datetime | None = None) -> View:
    """A meeting as announced, with its sites in scope and its occurrences from `since` to the horizon."""
    query = select(Occurrence).where(Occurrence.meeting_id == meeting.id).order_by(Occurrence.starts_at)
    rows = session.scalars(query if since is None else query.where(Occurrence.cap_at > since))
    return {
        **meeting_settings(meeting),
        "id": meeting.id,
        "sites": [site for site in meeting.site_ids if who.sees(site)],
        "urgent": meeting.urgent,
        "cancelled": meeting.cancelled_at is not None,
        "exceptions": [
            {"date": one.starts_local, "moved_to": one.moved_to, "reason": one.reason}
            for one in sorted(meeting.exceptions, key=lambda one: one.starts_local)
        ],
        "attachments": [attachment_view(one) for one in meeting.attachments],
        "occurrences": [occurrence_view(who, row) for row in rows],
    }


def attachment_view(row: Attachment) -> View:
    """A document of a meeting, without its bytes."""
    return {
        "id": row.id,
        "name": row.name,
        "media_type": row.media_type,
        "size": row.size,
        "sha256": row.sha256,
        "added_at": text(row.added_at),
        "added_by": row.added_by,
    }


def occurrence_view(who: Actor, row: Occurrence) -> View:
    """An occurrence without its way in."""
    meeting = row.meeting
    return {
        "id": row.id,
        "meeting_id": row.meeting_id,
        "title": meeting.title,
        "kind": meeting.kind,
        "mode": meeting.mode,
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
    sites = {view["id"]: view for view in site_views(session, who, known)}
    view = occurrence_view(who, row)
    view["attendance"] = [
        _attendance(sites[site], attendance, row) for site, attendance in known.items() if site in sites
    ]
    return view


def join_info(row: Occurrence, settings: Settings, ticket: str) -> View:
    """The way in: whoever has it can take part. Raises :class:`Conflict` for a meeting not held here."""
    if row.meeting.mode != Mode.HERE:
        raise Conflict(
            f"meeting {row.id} is not held on this system: there is no way in", code="schedule.not_here"
        )
    return {
        "url": f"{settings.guest_url}?ticket={ticket}",
        "room": row.room,
        "pin": row.pin,
        "expires_at": text(row.cap_at),
        "sites": row.meeting.site_ids,
        "ice_servers": _turn(row, settings),
    }


def _turn(row: Occurrence, settings: Settings) -> list[View]:
    """The TURN server, if there is one, by a name that ends with the room."""
    if settings.turn.secret_file is None:
        return []
    try:
        secret = settings.turn.secret_file.read_bytes().strip()
    except OSError as error:
        log.warning("no TURN server is told", extra={"error": str(error)})
        return []
    return ice_servers(settings.turn_urls, secret, row.id, row.cap_at)


def site_view(now: SiteNow, who: Actor) -> View:
    """A site with its unit and what is known of it. Passwords of its cameras are for who may set them."""
    site = now.row
    devices = device_settings(site)
    return {
        "id": site.id,
        "name": site.name,
        "area": area_view(now.area) if now.area is not None else None,
        "is_centre": site.is_centre,
        "contacts": site.contacts,
        "ssh_address": site.ssh_address,
        "neighbour": site.neighbour,
        **(devices if who.may(Role.OPERATOR) else masked_all(devices)),
        **picture_settings(site),
        "epoch": site.epoch,
        "state": now.state,
        "line": now.line,
        "unit": _unit_view(now.unit, now.newest, now.revisions) if now.unit is not None else None,
    }


def _unit_view(unit: Unit, newest: Mapping[str, Document], revisions: Mapping[str, int]) -> View:
    def revision(desired: Channel, reported: Channel) -> View:
        told = newest.get(reported, {})
        return {"desired": revisions.get(desired), "reported": told.get("rev"), "error": told.get("error")}

    verdict = newest.get(VERDICT, {})
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
        "session": newest.get(Channel.REPORTED_SESSION),
        "health": newest.get(Channel.HEALTH),
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
