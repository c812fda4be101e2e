"""Halls that another meeting has at the same time, and the ways out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules.free_time import LOOK_AHEAD_DAYS, next_free
from ..rules.refusals import Conflict
from ..rules.schedule import CONFLICT_HORIZON, Plan, Span, Times, expand, overlapping, to_local
from ..store.tables import Invitation, Meeting, Occurrence
from .plan_of import announced_between, plan_of

_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Clash:
    """Another meeting, and the sites it has that are wanted too."""

    span: Span
    sites: tuple[str, ...]


class HallsTaken(Conflict):
    """Some halls are in another meeting then.

    `values`: `clashes` [{`meeting`, `occurrence`, `title`, `starts_local`, `ends_local`, `sites`}], and what
    would help: `without`, sites to leave out (empty when the main site is one of them), and `free_local`, the
    next start at which all are free (None: none found soon). Times are the coordinator's wall clock.
    """

    code = "schedule.conflict"


def need_free_halls(
    session: Session,
    settings: Settings,
    now: datetime,
    plan: Plan,
    main_site: str,
    sites: Iterable[str],
    *,
    apart_from: Collection[str] = (),
) -> None:
    """Refuse (:class:`HallsTaken`) a plan whose halls other meetings of the coming year have."""
    zone, wanted = settings.zone, frozenset(sites)
    times = expand(plan, zone, now, now + CONFLICT_HORIZON)
    clashes = clashes_of(session, settings, now, times, wanted, apart_from=apart_from)
    if not clashes:
        return
    taken = sorted({site for clash in clashes for site in clash.sites})
    days = timedelta(days=LOOK_AHEAD_DAYS)
    until = (
        max(times[-1].ends_at, times[0].starts_at + days) if plan.rrule is None else times[-1].ends_at + days
    )
    around = spans_between(session, settings, now, times[0].starts_at - timedelta(days=1), until, apart_from)
    free = next_free(times, _of_these(session, around, wanted), zone, now, same_day=plan.rrule is not None)
    first = clashes[0]
    local = to_local(first.span.starts_at, zone)
    named = ", ".join(first.sites[:5]) + (f" and {len(first.sites) - 5} more" if len(first.sites) > 5 else "")
    verb = "site {} is" if len(first.sites) == 1 else "sites {} are"
    raise HallsTaken(
        f"{verb.format(named)} already in the meeting “{first.span.title}” "
        f"that starts {local:%Y-%m-%d %H:%M}: choose another time or leave the site out",
        field="starts_at",
        title=first.span.title,
        count=len(taken),
        clashes=[
            {
                "meeting": clash.span.meeting,
                "occurrence": clash.span.occurrence,
                "title": clash.span.title,
                "starts_local": to_local(clash.span.starts_at, zone).isoformat(),
                "ends_local": to_local(clash.span.ends_at, zone).isoformat(),
                "sites": list(clash.sites),
            }
            for clash in clashes
        ],
        without=[] if main_site in taken else taken,
        free_local=free.isoformat() if free else None,
    )


def clashes_of(
    session: Session,
    settings: Settings,
    now: datetime,
    times: Sequence[Times],
    sites: frozenset[str],
    *,
    apart_from: Collection[str] = (),
) -> list[Clash]:
    """Meetings that have some of these sites at one of these times, each date of them; at most 20."""
    if not times:
        return []
    spans = spans_between(session, settings, now, times[0].starts_at, times[-1].ends_at, apart_from)
    invited: dict[str, frozenset[str]] = {}
    clashes = []
    for span in overlapping(times, spans):
        shared = _sites_of(session, span.meeting, invited) & sites
        if shared:
            clashes.append(Clash(span, tuple(sorted(shared))))
        if len(clashes) == _MOST_SHOWN:
            break
    return clashes


def spans_between(
    session: Session,
    settings: Settings,
    now: datetime,
    since: datetime,
    until: datetime,
    apart_from: Collection[str] = (),
) -> list[Span]:
    """When meetings take halls, between two moments. What is over takes none."""
    since = max(since, now)
    rows = session.execute(
        select(Occurrence, Meeting.title, Meeting.cancelled_at)
        .join(Meeting)
        .where(
            Occurrence.starts_at < until + timedelta(days=2), Occurrence.cap_at > since - timedelta(days=2)
        )
    ).all()
    known = {row.id for row, _, _ in rows}
    spans = [
        Span(row.meeting_id, title, row.id, row.starts_at, row.ends_at)
        for row, title, cancelled_at in rows
        if row.finished_at is None and cancelled_at is None and row.meeting_id not in apart_from
    ]
    for meeting in session.scalars(announced_between(settings, since, until)):
        if meeting.id in apart_from:
            continue
        for time in expand(plan_of(meeting), settings.zone, since, until):
            if time.id not in known and time.ends_at > since:
                spans.append(Span(meeting.id, meeting.title, time.id, time.starts_at, time.ends_at))
    return spans


def _of_these(session: Session, spans: Iterable[Span], sites: frozenset[str]) -> list[Span]:
    invited: dict[str, frozenset[str]] = {}
    return [span for span in spans if not sites.isdisjoint(_sites_of(session, span.meeting, invited))]


def _sites_of(session: Session, meeting: str, known: dict[str, frozenset[str]]) -> frozenset[str]:
    if meeting not in known:
        rows = session.scalars(select(Invitation.site_id).where(Invitation.meeting_id == meeting))
        known[meeting] = frozenset(rows)
    return known[meeting]
