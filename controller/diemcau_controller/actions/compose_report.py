"""The report of a meeting as a document: sites, floor, hands, people, incidents, lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.attendance import Attendance, Step, Turn, floor_turns, line_quality
from ..rules.incidents import Which
from ..store.tables import EventRow, Hand, HealthRow, Occurrence, ReportNote, ReportRow, Site, Unit
from .attendance import attendance_of, sites_of
from .attendees import attendee_rows, attendee_view, totals
from .find_incident import list_incidents

Report = dict[str, Any]
Lines = dict[str, Report]  # by site

_FAULTS = ("camera_lost", "microphone_lost", "process_ended")
_FEW_UNITS = 100


def report_of(session: Session, who: Actor, occurrence: Occurrence, now: datetime) -> Report:
    """The report as it stands now, of the sites in scope; `final` once the meeting is over.

    `sites` in the order of the invitation, each with `present_s` and `floor_s` in seconds, `line`
    (`median_ms`, `p95_ms`, `samples`, or None), `people` (how many of each status), `note`, `contacts`,
    `declined_at`. `floor_turns`, `hands`, `people`, `incidents` are of the whole meeting, in order of time.
    """
    meeting = occurrence.meeting
    known = {site: one for site, one in attendance_of(session, occurrence).items() if who.sees(site)}
    end = occurrence.finished_at or min(now, occurrence.cap_at)
    its_sites = select(Site).where(Site.id.in_(sites_of(session, occurrence)))
    places = {row.id: row for row in session.scalars(its_sites)}
    names = {site: place.name for site, place in places.items()}
    people = [attendee_view(row) for row in attendee_rows(session, occurrence) if who.sees(row.site_id)]
    events = _events(session, occurrence)
    turns = [turn for turn in floor_turns(events) if turn.site in known]
    lines = lines_of(session, occurrence, now)
    notes = dict(
        session.execute(
            select(ReportNote.site_id, ReportNote.text).where(ReportNote.occurrence_id == occurrence.id)
        ).all()
    )
    kinds: dict[str, Counter[str]] = {}
    declined: dict[str, datetime] = {}
    for site, step in events:
        kinds.setdefault(site, Counter())[step.kind] += 1
        if step.kind == "declined":
            declined[site] = step.at
    floor_s = dict.fromkeys(known, 0.0)
    for turn in turns:
        floor_s[turn.site] += turn.seconds(end)
    statuses: dict[str, list[str]] = {}
    for one in people:
        statuses.setdefault(one["site"], []).append(one["status"])
    sites = [
        {
            "id": site,
            "name": names[site],
            **_presence(attendance, end),
            **_events_of(kinds.get(site, Counter())),
            "floor_s": round(floor_s[site], 1),
            "line": lines.get(site),
            "people": totals(statuses.get(site, ())),
            "note": notes.get(site, ""),
            "contacts": places[site].contacts,
            "declined_at": _text(declined.get(site)),
        }
        for site, attendance in known.items()
    ]
    return {
        "meeting": occurrence.id,
        "meeting_id": meeting.id,
        "title": meeting.title,
        "kind": meeting.kind,
        "mode": meeting.mode,
        "urgent": meeting.urgent,
        "chair": meeting.chair,
        "place": meeting.place,
        "main_site": meeting.main_site_id,
        "main_site_name": names[meeting.main_site_id],
        "opens_at": _text(occurrence.opens_at),
        "starts_at": _text(occurrence.starts_at),
        "ends_at": _text(occurrence.ends_at),
        "finished_at": _text(occurrence.finished_at),
        "closed": occurrence.closed_at is not None,
        "final": occurrence.finished_at is not None,
        "sites": sites,
        "floor_turns": [_turn(turn, names, end) for turn in turns],
        "hands": _hands(session, who, occurrence, names),
        "people": people,
        "people_totals": totals(one["status"] for one in people),
        "incidents": list_incidents(session, who, now, Which.ALL, occurrence=occurrence.id),
    }


def _events(session: Session, occurrence: Occurrence) -> list[tuple[str, Step]]:
    """What its sites' units said of the meeting, by site, in order of time."""
    rows = session.execute(
        select(EventRow.site, EventRow.kind, EventRow.at)
        .where(EventRow.meeting == occurrence.id, EventRow.site.is_not(None))
        .order_by(EventRow.at, EventRow.unit, EventRow.stream, EventRow.seq)
    )
    return [(site, Step(at, kind)) for site, kind, at in rows if site is not None]


def _presence(known: Attendance, end: datetime) -> Report:
    last = known.intervals[-1] if known.intervals else None
    return {
        "joined": known.joined,
        "first_joined_at": _text(known.intervals[0].since) if known.joined else None,
        "last_seen_at": _text(last.until) if last is not None else None,
        "left": known.left,
        "present_s": round(known.total(end).total_seconds(), 1),
        "drop_outs": known.drop_outs,
        "intervals": [{"since": _text(i.since), "until": _text(i.until)} for i in known.intervals],
    }


def _events_of(kinds: Counter[str]) -> Report:
    return {
        "floor_taken": kinds["floor_taken"],
        "join_failed": kinds["join_failed"],
        "faults": {kind: kinds[kind] for kind in _FAULTS if kinds[kind]},
    }


def _turn(turn: Turn, names: dict[str, str], end: datetime) -> Report:
    return {
        "site": turn.site,
        "name": names[turn.site],
        "since": _text(turn.since),
        "until": _text(turn.until),
        "seconds": round(turn.seconds(end), 1),
    }


def _hands(session: Session, who: Actor, occurrence: Occurrence, names: dict[str, str]) -> list[Report]:
    rows = session.scalars(
        select(Hand).where(Hand.occurrence_id == occurrence.id).order_by(Hand.raised_at, Hand.number)
    )
    return [
        {
            "site": row.site_id,
            "name": names.get(row.site_id, row.site_id),
            "text": row.text,
            "raised_at": _text(row.raised_at),
            "ended_at": _text(row.ended_at),
            "ended": row.ended,
        }
        for row in rows
        if who.sees(row.site_id)
    ]


def lines_of(session: Session, occurrence: Occurrence, now: datetime) -> Lines:
    """Line quality by site: as the written report says it, else from the measurements made until now.

    Measuring is the slow part of a report: 3,321 units send two million measurements in two hours.
    """
    stored = select(ReportRow.site_id, ReportRow.document["line"]).where(
        ReportRow.occurrence_id == occurrence.id
    )
    rows = {site: line for site, line in session.execute(stored)}
    if rows and occurrence.finished_at is not None:
        return {site: line for site, line in rows.items() if line is not None}
    found = {site: line_quality(values) for site, values in _round_trips(session, occurrence, now).items()}
    return {site: asdict(quality) for site, quality in found.items() if quality is not None}


def _round_trips(session: Session, occurrence: Occurrence, now: datetime) -> dict[str, list[float]]:
    """Every round-trip time that the units of each site measured during the meeting."""
    of_site: dict[str, str] = {}
    invited = select(Unit.id, Unit.site_id).where(Unit.site_id.in_(occurrence.meeting.site_ids))
    took_part = select(EventRow.unit, EventRow.site).where(
        EventRow.meeting == occurrence.id, EventRow.site.is_not(None)
    )
    for query in (invited, took_part.distinct()):
        of_site |= {unit: site for unit, site in session.execute(query) if site is not None}
    rtt = HealthRow.document["link_rtt_ms"].as_float()
    until = occurrence.finished_at or min(now, occurrence.cap_at)
    measured = select(HealthRow.unit, rtt).where(
        HealthRow.at >= occurrence.starts_at, HealthRow.at <= until, rtt.is_not(None)
    )
    if len(of_site) <= _FEW_UNITS:
        measured = measured.where(HealthRow.unit.in_(of_site))
    samples: dict[str, list[float]] = {}
    for unit, value in session.execute(measured):
        if unit in of_site:
            samples.setdefault(of_site[unit], []).append(value)
    return samples


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
