"""The schedule as people look at it: every date between two moments, held, to come or called off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from ..config import Settings
from ..rules.actor import Actor
from ..rules.schedule import expand, occurrence_id, to_local, to_utc
from ..store.tables import Invitation, Meeting, Occurrence, Site
from .plan_of import announced_between, plan_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One date. `state`: `coming`, `open` (units may be in), `over` or `called_off` (with `reason`).

    `moved_from` is the wall-clock time it was announced for, when it is held at another one.
    """

    id: str
    meeting: Meeting
    main_site: str
    sites: int
    starts_at: datetime
    ends_at: datetime
    state: str
    moved_from: datetime | None = None
    reason: str = ""

    @property
    def long(self) -> bool:
        """True for one that takes the day: six hours and more."""
        return self.ends_at - self.starts_at >= timedelta(hours=6)


def calendar(
    session: Session, settings: Settings, who: Actor, now: datetime, since: datetime, until: datetime
) -> list[Entry]:
    """The dates in scope that touch the time from `since` to `until`, by their start."""
    found = _stored(session, since, until)
    known = {row.id for row, _ in found}
    dates = [_entry(row, meeting, now) for row, meeting in found]
    for meeting in session.scalars(announced_between(settings, since, until)):
        dates += _announced(session, settings, meeting, known, now, since, until)
    shown = [date for date in dates if date is not None]
    names, counts = _sites(session, {date.meeting.id for date in shown})
    visible = _visible(session, who, {date.meeting.id for date in shown})
    return sorted(
        (
            replace(
                date,
                main_site=names.get(date.meeting.main_site_id, ""),
                sites=counts.get(date.meeting.id, 0),
            )
            for date in shown
            if date.meeting.id in visible
        ),
        key=lambda entry: (entry.starts_at, entry.id),
    )


def _stored(session: Session, since: datetime, until: datetime) -> list[tuple[Occurrence, Meeting]]:
    rows = session.execute(
        select(Occurrence, Meeting)
        .join(Meeting)
        .options(selectinload(Meeting.exceptions))
        .where(Occurrence.starts_at < until, Occurrence.starts_at > since - timedelta(days=1))
    )
    return [(row, meeting) for row, meeting in rows if row.ends_at > since or row.starts_at >= since]


def _entry(row: Occurrence, meeting: Meeting, now: datetime) -> Entry | None:
    series = meeting.series or meeting.id
    changes = {
        occurrence_id(series, datetime.fromisoformat(one.starts_local)): one for one in meeting.exceptions
    }
    change = changes.get(row.id)
    moved_from = datetime.fromisoformat(change.starts_local) if change and change.moved_to else None
    reason = change.reason if change else ""
    if row.finished_at is not None and row.finished_at <= row.opens_at:
        skipped = change is not None and change.moved_to is None
        if not skipped and meeting.cancelled_at is None:
            return None  # it gave way to another time
        state = "called_off"
    elif row.finished_at is not None or row.cap_at <= now:
        state = "over"
    else:
        state = "open" if row.opens_at <= now else "coming"
    return Entry(row.id, meeting, "", 0, row.starts_at, row.ends_at, state, moved_from, reason)


def _announced(
    session: Session,
    settings: Settings,
    meeting: Meeting,
    known: set[str],
    now: datetime,
    since: datetime,
    until: datetime,
) -> list[Entry | None]:
    """Dates that have no row yet: beyond the horizon, or skipped before they came near."""
    plan = plan_of(meeting)
    found: list[Entry | None] = []
    reasons = {one.starts_local: one.reason for one in meeting.exceptions}
    if until > now:
        for time in expand(plan, settings.zone, max(now, since), until):
            if time.id in known or time.ends_at <= since or session.get(Occurrence, time.id) is not None:
                continue
            moved = time.original != to_local(time.starts_at, settings.zone)
            moved_from = time.original if moved else None
            reason = reasons.get(time.original.isoformat(), "")
            found.append(
                Entry(time.id, meeting, "", 0, time.starts_at, time.ends_at, "coming", moved_from, reason)
            )
    for original, local in plan.moves.items():
        name, starts_at = occurrence_id(plan.id, original), to_utc(original, settings.zone)
        skipped = local is None and since <= starts_at < until and name not in known
        if skipped and session.get(Occurrence, name) is None:
            reason = reasons.get(original.isoformat(), "")
            ends_at = starts_at + plan.duration
            found.append(Entry(name, meeting, "", 0, starts_at, ends_at, "called_off", None, reason))
    return found


def _sites(session: Session, meetings: set[str]) -> tuple[dict[str, str], dict[str, int]]:
    mains = select(Site.id, Site.name).where(
        Site.id.in_(select(Meeting.main_site_id).where(Meeting.id.in_(meetings)))
    )
    counted = (
        select(Invitation.meeting_id, func.count())
        .where(Invitation.meeting_id.in_(meetings))
        .group_by(Invitation.meeting_id)
    )
    names = {site: name for site, name in session.execute(mains)}
    return names, {meeting: count for meeting, count in session.execute(counted)}


def _visible(session: Session, who: Actor, meetings: set[str]) -> set[str]:
    if who.sites is None:
        return meetings
    seen = select(Invitation.meeting_id).where(
        Invitation.meeting_id.in_(meetings), Invitation.site_id.in_(who.sites)
    )
    return set(session.scalars(seen.distinct()))
