"""Meetings that were held, and what a month of them came to for each site."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, cast, func, select
from sqlalchemy.orm import Session, selectinload

from ..rules.actor import Actor
from ..rules.month import Month
from ..rules.naming import plain
from ..store.tables import Area, Attendee, Incident, Meeting, Occurrence, ReportRow, Site

View = dict[str, Any]

_JOINED = cast(ReportRow.document["joined"].as_boolean(), Integer)


def list_reports(session: Session, who: Actor, month: Month, words: str = "") -> list[View]:
    """Meetings of a month that were held, newest first, with `sites` invited and `attended` (in scope),
    `people` present and `incidents`. `words` are looked for in titles, without regard to diacritics.
    """
    held = (
        select(Occurrence)
        .join(Meeting)
        .where(Occurrence.starts_at >= month.begins, Occurrence.starts_at < month.ends)
        .where(Occurrence.finished_at > Occurrence.opens_at)
        .options(selectinload(Occurrence.meeting).selectinload(Meeting.invited))
        .order_by(Occurrence.starts_at.desc(), Occurrence.id)
    )
    looked_for = plain(words)
    rows = [
        row
        for row in session.scalars(held)
        if who.sees_any(row.meeting.site_ids) and looked_for in plain(row.meeting.title)
    ]
    ids = [row.id for row in rows]
    attended = _counts(
        session, who, ids, select(ReportRow.occurrence_id, ReportRow.site_id).where(_JOINED == 1)
    )
    people = _counts(
        session,
        who,
        ids,
        select(Attendee.occurrence_id, Attendee.site_id).where(
            Attendee.status.in_(("present", "substitute"))
        ),
    )
    incidents = _counts(session, who, ids, select(Incident.occurrence_id, Incident.site_id))
    return [
        {
            "id": row.id,
            "meeting_id": row.meeting_id,
            "title": row.meeting.title,
            "kind": row.meeting.kind,
            "mode": row.meeting.mode,
            "urgent": row.meeting.urgent,
            "starts_at": _text(row.starts_at),
            "finished_at": _text(row.finished_at),
            "sites": sum(who.sees(site) for site in row.meeting.site_ids),
            "attended": attended.get(row.id, 0),
            "people": people.get(row.id, 0),
            "incidents": incidents.get(row.id, 0),
            "written": row.reported_at is not None,
        }
        for row in rows
    ]


def month_totals(session: Session, who: Actor, month: Month) -> list[View]:
    """What the month came to for each site in scope, by area and name: `meetings` it was invited to, in how
    many it was `absent`, `present_s` and `drop_outs` in all. Only meetings held here, with a written report.
    """
    document = ReportRow.document
    rows = session.execute(
        select(
            ReportRow.site_id,
            func.count(),
            func.sum(1 - _JOINED),
            func.sum(document["present_s"].as_float()),
            func.sum(document["drop_outs"].as_integer()),
        )
        .join(Occurrence, Occurrence.id == ReportRow.occurrence_id)
        .join(Meeting, Meeting.id == Occurrence.meeting_id)
        .where(Meeting.mode == "here")
        .where(Occurrence.starts_at >= month.begins, Occurrence.starts_at < month.ends)
        .group_by(ReportRow.site_id)
    ).all()
    counted = {site: figures for site, *figures in rows if who.sees(site)}
    places = session.execute(
        select(Site.id, Site.name, Area.name)
        .outerjoin(Area, Area.id == Site.area_id)
        .order_by(Area.name, Site.name, Site.id)
    )
    return [
        {
            "site": site,
            "name": name,
            "area": area,
            "meetings": counted[site][0],
            "absent": counted[site][1],
            "present_s": round(counted[site][2]),
            "drop_outs": counted[site][3],
        }
        for site, name, area in places
        if site in counted
    ]


def _counts(session: Session, who: Actor, occurrences: list[str], rows: Any) -> dict[str, int]:
    """How many rows (occurrence, site) in scope each of these occurrences has."""
    found = rows.subquery()
    occurrence, site = found.c.occurrence_id, found.c.site_id
    query = select(occurrence, func.count()).where(occurrence.in_(occurrences)).group_by(occurrence)
    if who.sites is not None:
        query = query.where(site.in_(who.sites))
    return dict(session.execute(query).all())


def _text(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat()).replace("+00:00", "Z")
