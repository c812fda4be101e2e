"""Which incidents somebody may see, and what they are as API and pages show them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Select, false, func, select
from sqlalchemy.orm import Session, selectinload

from ..rules.actor import OUTSIDE, Actor
from ..rules.incidents import Which, may_see, urgency
from ..rules.naming import plain
from ..rules.refusals import Forbidden, NotFound
from ..store.tables import Incident, IncidentEntry, IncidentSite, Occurrence, Site

View = dict[str, Any]

MOST_LISTED = 500


def incident_for(session: Session, who: Actor, incident_id: str) -> Incident:
    """An incident that somebody may see; any other is refused as not found."""
    incident = session.get(Incident, incident_id)
    if incident is None or not may_see(who, incident.site_ids, incident.assignee):
        raise NotFound(
            f"there is no incident {incident_id[:80]}: `diemcau incident list` shows those there are",
            code="incidents.unknown",
            incident=incident_id[:80],
        )
    return incident


def need_whole_incident(who: Actor, incident: Incident) -> None:
    """Refuse to decide about an incident unless every site of it is in scope."""
    if not who.sees_all(incident.site_ids):
        raise Forbidden(
            f"incident {incident.id} is about sites outside your area, too: ask who is over them",
            code="incidents.beyond_scope",
            incident=incident.id,
        )


def visible(who: Actor) -> Select[Incident]:
    """Every incident somebody may see."""
    query = select(Incident)
    if who.role in OUTSIDE:
        return query.where(Incident.assignee == who.name)
    if who.sites is None:
        return query
    if not who.sites:
        return query.where(false())
    part = select(IncidentSite.incident_id).where(IncidentSite.site_id.in_(who.sites))
    return query.where(Incident.site_id.in_(who.sites) | Incident.id.in_(part))


def list_incidents(
    session: Session,
    who: Actor,
    now: datetime,
    which: Which = Which.OPEN,
    *,
    site: str | None = None,
    kind: str | None = None,
    assignee: str | None = None,
    occurrence: str | None = None,
    words: str = "",
) -> list[View]:
    """Incidents in short, open ones first and of these the worst; closed ones newest first. At most 500.

    `words` are looked for in titles and names of sites, without regard to diacritics. `assignee` "" means
    nobody yet.
    """
    query = visible(who).options(selectinload(Incident.further))
    if which is not Which.ALL:
        closed = Incident.closed_at.is_not(None)
        query = query.where(closed if which is Which.CLOSED else ~closed)
    if site is not None:
        part = select(IncidentSite.incident_id).where(IncidentSite.site_id == site)
        query = query.where((Incident.site_id == site) | Incident.id.in_(part))
    if assignee is not None:
        query = query.where(Incident.assignee == assignee if assignee else Incident.assignee.is_(None))
    for column, wanted in ((Incident.kind, kind), (Incident.occurrence_id, occurrence)):
        if wanted is not None:
            query = query.where(column == wanted)
    # open ones (NULL) come first, then the newest closed; sorting by urgency needs all open ones
    query = query.order_by(Incident.closed_at.is_not(None), Incident.opened_at.desc())
    rows = session.scalars(query.limit(5 * MOST_LISTED)).all()
    views = _views(session, rows, now)
    looked_for = plain(words)
    if looked_for:
        views = [view for view in views if looked_for in plain(f"{view['title']} {view['site_name']}")]
    open_ones = sorted((view for view in views if view["closed_at"] is None), key=_urgency)
    return (open_ones + [view for view in views if view["closed_at"] is not None])[:MOST_LISTED]


def open_count(session: Session, who: Actor) -> int:
    """How many open incidents somebody may see."""
    query = visible(who).where(Incident.closed_at.is_(None))
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def incident_view(session: Session, incident: Incident, now: datetime) -> View:
    """An incident with its history; contacts of its sites are whom to call."""
    [view] = _views(session, [incident], now)
    places = session.scalars(select(Site).where(Site.id.in_(incident.site_ids))).all()
    by_id = {place.id: place for place in places}
    since = {incident.site_id: incident.opened_at} | {one.site_id: one.since for one in incident.further}
    view["sites"] = [
        {
            "id": site,
            "name": by_id[site].name,
            "since": _text(since[site]),
            "contacts": by_id[site].contacts,
            "removed": by_id[site].removed_at is not None,
        }
        for site in incident.site_ids
    ]
    view["entries"] = [entry_view(entry) for entry in incident.entries]
    return view


def entry_view(entry: IncidentEntry) -> View:
    """A line of an incident's history; `file` is None or `{name, media_type, size}`."""
    file = None
    if entry.sha256 is not None:
        file = {"name": entry.file_name, "media_type": entry.media_type, "size": entry.size}
    return {
        "number": entry.number,
        "at": _text(entry.at),
        "who": entry.who,
        "kind": entry.kind,
        "text": entry.text,
        "document": entry.document,
        "file": file,
    }


def _views(session: Session, rows: Iterable[Incident], now: datetime) -> list[View]:
    rows = list(rows)
    names = dict(
        session.execute(select(Site.id, Site.name).where(Site.id.in_({row.site_id for row in rows}))).all()
    )
    of_meetings = {row.occurrence_id for row in rows if row.occurrence_id is not None}
    meetings = {
        one.id: one for one in session.scalars(select(Occurrence).where(Occurrence.id.in_(of_meetings)))
    }
    return [_view(row, names, meetings.get(row.occurrence_id or ""), now) for row in rows]


def _view(row: Incident, names: dict[str, str], meeting: Occurrence | None, now: datetime) -> View:
    running = meeting is not None and meeting.finished_at is None and meeting.opens_at <= now < meeting.cap_at
    return {
        "id": row.id,
        "site": row.site_id,
        "site_name": names[row.site_id],
        "site_count": 1 + len(row.further),
        "kind": row.kind,
        "title": row.title,
        "meeting": row.occurrence_id,
        "meeting_title": meeting.meeting.title if meeting is not None else None,
        "in_meeting": running,
        "opened_at": _text(row.opened_at),
        "opened_by": row.opened_by,
        "assignee": row.assignee,
        "closed_at": _text(row.closed_at),
        "resolution": row.resolution,
    }


def _urgency(view: View) -> tuple[bool, bool, int, datetime]:
    return urgency(
        view["kind"],
        datetime.fromisoformat(view["opened_at"]),
        in_meeting=view["in_meeting"],
        sites=view["site_count"],
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
