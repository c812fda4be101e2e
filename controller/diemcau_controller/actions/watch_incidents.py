"""Incidents that nobody has to report: from events of units, and from sites that fall out of a meeting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..rules.actor import SYSTEM
from ..rules.incidents import (
    FRESH,
    MOST_EVIDENCE,
    PATIENCE,
    REPEATED_WITHIN,
    Kind,
    Outage,
    Shared,
    kind_of_event,
    opens,
    plan_outages,
)
from ..store.tables import EventRow, Incident, IncidentEntry, IncidentSite, Occurrence, Site, Unit
from .attendance import attendance_of
from .incident_evidence import evidence_of
from .ingest import event_view
from .open_incident import add_entry, insert_incident, open_one

_SIGNS = ("camera_lost", "microphone_lost", "process_ended")
_AWAY = ("lost", "silent", "offline")
_MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident that was opened or added to. `fresh`: opened; `site` its (first) site."""

    incident: str
    site: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How sites stand to the meetings that run: out of them against their will, or inside."""

    outages: tuple[Outage, ...]
    inside: frozenset[str]


# ── events of units ──────────────────────────────────────────────────────────────────────────────


def signs_after(session: Session, number: int) -> list[EventRow]:
    """Events that may be signs of an incident, in the order they came, after that number."""
    return list(
        session.scalars(
            select(EventRow)
            .where(EventRow.number > number, EventRow.kind.in_(_SIGNS), EventRow.site.is_not(None))
            .order_by(EventRow.number)
            .limit(_MOST_AT_ONCE)
        )
    )


def signs_from(session: Session, now: datetime) -> int:
    """The number after which a controller that starts now looks for signs: those of the last half hour."""
    return session.scalar(select(func.max(EventRow.number)).where(EventRow.received_at < now - FRESH)) or 0


def take_signs(session: Session, rows: Iterable[EventRow], now: datetime) -> list[Opened]:
    """Open incidents for signs, or add these to the open ones; a sign taken before changes nothing."""
    done = []
    for row in rows:
        kind = kind_of_event(row.kind, row.data)
        site = session.get(Site, row.site)
        if kind is None or site is None or site.removed_at is not None or _taken(session, row):
            continue
        document = {"cause": row.kind, "event": event_view(row)}
        incident = open_one(session, site.id, kind)
        if incident is not None:
            if _evidence_count(incident) < MOST_EVIDENCE:
                add_entry(incident, now, SYSTEM, "evidence", document=document)
                done.append(Opened(incident.id, site.id, fresh=False))
        elif opens(kind, row.at, now, _earlier(session, row)):
            incident = insert_incident(
                session, SYSTEM, now, site, kind, occurrence=_meeting(session, row, site)
            )
            add_entry(incident, now, SYSTEM, "evidence", document={**document, **evidence_of(session, site)})
            done.append(Opened(incident.id, site.id, fresh=True))
    return done


def _taken(session: Session, row: EventRow) -> bool:
    """True for an event that some incident has as evidence already."""
    event = IncidentEntry.document["event"]["id"].as_string()
    since = row.received_at - FRESH
    found = select(IncidentEntry.number).where(IncidentEntry.at >= since, event == row.id).limit(1)
    return session.scalar(found) is not None


def _earlier(session: Session, row: EventRow) -> Sequence[datetime]:
    """When other signs of the same kind were at the site shortly before."""
    rows = session.scalars(
        select(EventRow).where(
            EventRow.unit == row.unit,
            EventRow.kind == row.kind,
            EventRow.number != row.number,
            EventRow.at >= row.at - REPEATED_WITHIN,
            EventRow.at <= row.at,
        )
    )
    return [one.at for one in rows if kind_of_event(one.kind, one.data) is not None]


def _meeting(session: Session, row: EventRow, site: Site) -> str | None:
    """The meeting an event names, if it is one of that site."""
    occurrence = session.get(Occurrence, row.meeting) if row.meeting is not None else None
    return occurrence.id if occurrence is not None and site.id in occurrence.meeting.site_ids else None


# ── sites that fall out of a meeting ─────────────────────────────────────────────────────────────


def standing(session: Session, now: datetime) -> Standing:
    """How the sites of the meetings that run here stand to them."""
    running = select(Occurrence).where(
        Occurrence.opens_at <= now, Occurrence.cap_at > now, Occurrence.finished_at.is_(None)
    )
    outages, inside = [], set()
    for occurrence in session.scalars(running):
        if occurrence.meeting.mode != "here":
            continue
        known = {site: one for site, one in attendance_of(session, occurrence).items() if one.joined}
        units = session.scalars(select(Unit).where(Unit.site_id.in_(known))) if known else ()
        away = {unit.site_id: unit.last_seen or now for unit in units if unit.status in _AWAY}
        for site, attendance in known.items():
            if attendance.left:
                continue
            dropped_at = attendance.intervals[-1].until
            since = min(
                (moment for moment in (dropped_at, away.get(site)) if moment is not None), default=None
            )
            if since is None:
                inside.add(site)
            else:
                outages.append(Outage(site, since, occurrence.id))
    return Standing(tuple(outages), frozenset(inside))


def take_outages(session: Session, found: Standing, now: datetime) -> list[Opened]:
    """Open incidents for sites that are out, one of many where many went at once, or add to open ones."""
    done = []
    covered: dict[str, Incident] = {}
    for outage in found.outages:
        incident = open_one(session, outage.site, Kind.CONNECTION)
        if incident is not None:
            covered[outage.site] = incident
    shared = _shared(session)
    plan = plan_outages(found.outages, covered, _span(shared), now)
    for outage in found.outages:
        incident = covered.get(outage.site)
        if incident is None or now - outage.since < PATIENCE or _told(incident, outage):
            continue
        if _evidence_count(incident) < MOST_EVIDENCE:
            add_entry(incident, now, SYSTEM, "evidence", document=_lost(session, outage))
            done.append(Opened(incident.id, outage.site, fresh=False))
    for outage in plan.alone:
        site = session.get_one(Site, outage.site)
        if site.removed_at is not None:
            continue
        incident = insert_incident(session, SYSTEM, now, site, Kind.CONNECTION, occurrence=outage.meeting)
        add_entry(incident, now, SYSTEM, "evidence", document=_lost(session, outage))
        done.append(Opened(incident.id, site.id, fresh=True))
    if plan.together:
        first = session.get_one(Site, plan.together[0].site)
        meeting = plan.together[0].meeting
        shared = insert_incident(session, SYSTEM, now, first, Kind.CONNECTION, occurrence=meeting)
        _join(session, shared, plan.together, now)
        done.append(Opened(shared.id, first.id, fresh=True))
    if plan.joining and shared is not None:
        _join(session, shared, plan.joining, now)
        done.append(Opened(shared.id, shared.site_id, fresh=False))
    return done


def take_returns(session: Session, sites: Iterable[str], now: datetime) -> list[Opened]:
    """Note that sites are back in their meeting; the incident stays open for whoever sees to it."""
    done = []
    for site in sites:
        incident = open_one(session, site, Kind.CONNECTION)
        if incident is not None and _evidence_count(incident) < MOST_EVIDENCE:
            add_entry(incident, now, SYSTEM, "evidence", document={"cause": "back", "site": site})
            done.append(Opened(incident.id, site, fresh=False))
    return done


def _shared(session: Session) -> Incident | None:
    """The newest open incident of many sites."""
    many = select(IncidentSite.incident_id)
    return session.scalars(
        select(Incident)
        .where(Incident.closed_at.is_(None), Incident.kind == Kind.CONNECTION.value, Incident.id.in_(many))
        .order_by(Incident.opened_at.desc())
        .limit(1)
    ).first()


def _span(shared: Incident | None) -> Shared | None:
    if shared is None:
        return None
    times = [one.since for one in shared.further]
    return Shared(min(times), max(times))


def _join(session: Session, incident: Incident, outages: Sequence[Outage], now: datetime) -> None:
    known = set(incident.site_ids)
    for outage in outages:
        if outage.site not in known:
            incident.further.append(IncidentSite(site_id=outage.site, since=outage.since))
            known.add(outage.site)
    sites = [{"site": outage.site, "since": _text(outage.since)} for outage in outages]
    if _evidence_count(incident) < MOST_EVIDENCE:
        add_entry(incident, now, SYSTEM, "evidence", document={"cause": "lost_together", "sites": sites})


def _lost(session: Session, outage: Outage) -> dict[str, Any]:
    site = session.get_one(Site, outage.site)
    document = {"cause": "lost", "sites": [{"site": outage.site, "since": _text(outage.since)}]}
    return {**document, **evidence_of(session, site)}


def _told(incident: Incident, outage: Outage) -> bool:
    """True when the incident has that outage as evidence already."""
    told = {"site": outage.site, "since": _text(outage.since)}
    return any(told in (entry.document or {}).get("sites", ()) for entry in incident.entries)


def _evidence_count(incident: Incident) -> int:
    return sum(entry.kind == "evidence" for entry in incident.entries)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
