"""The schedule: a week as offices plan it, and a list to search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.calendar import Entry, calendar
from ..actions.controller import Controller
from ..actions.meeting_spec import KINDS
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.naming import plain
from ..rules.schedule import to_local, to_utc
from ..rules.week import days, midnight, monday, week_of
from ..store.tables import Invitation, Site
from .access import ViewerPage
from .page import render

router = APIRouter(include_in_schema=False)

AHEAD = timedelta(days=92)
BEHIND = timedelta(days=366)
PER_PAGE = 50
_NOON = 12


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a day (`all_day`, `morning`, `afternoon`): what is before now, and what comes."""

    name: str
    entries: list[Entry]
    now_at: int | None  # so many entries of it have begun; None: now lies in another part


@dataclass(frozen=True, slots=True)
class Day:
    """A column of the week."""

    day: date
    today: bool
    parts: list[Part]

    @property
    def empty(self) -> bool:
        return not any(part.entries for part in self.parts)


@router.get("/schedule")
def week_page(
    request: Request, core: Core, who: ViewerPage, week: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """A week; the present one unless another is named."""
    return render(request, "schedule/week.html", **_week(core, who, week))


@router.get("/schedule/week")
def week_part(
    request: Request, core: Core, who: ViewerPage, week: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """The days of a week, as they are now."""
    return render(request, "schedule/_week.html", **_week(core, who, week))


@router.get("/schedule/list")
def list_page(
    request: Request,
    core: Core,
    who: ViewerPage,
    when: Annotated[str, Query(pattern="^(coming|past)$")] = "coming",
    q: Annotated[str, Query(max_length=100)] = "",
    kind: Annotated[str, Query(max_length=120)] = "",
    site: Annotated[str, Query(max_length=40)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """Meetings of the next three months, or of the past year, newest first."""
    now = core.now()
    with core.database.read() as session:
        if when == "coming":
            found = calendar(session, core.settings, who, now, now, now + AHEAD)
        else:
            found = [
                entry
                for entry in calendar(session, core.settings, who, now, now - BEHIND, now)
                if entry.state in ("over", "called_off")
            ][::-1]
        kinds = sorted({entry.meeting.kind for entry in found} | set(KINDS))
        found = _matching(session, found, q, kind, site)
        sites = _sites(session, who)
    pages = max(1, -(-len(found) // PER_PAGE))
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    asked: dict[str, Any] = {"when": when, "q": q, "kind": kind, "site": site}
    address = "/schedule/list?" + urlencode({key: value for key, value in asked.items() if value}) + "&"
    return render(
        request,
        "schedule/list.html",
        entries=shown,
        count=len(found),
        page=min(page, pages),
        pages=pages,
        address=address,
        kinds=kinds,
        sites=sites,
        filtered=bool(q or kind or site),
        **asked,
    )


def _week(core: Controller, who: Actor, week: str) -> dict[str, Any]:
    zone, now = core.settings.zone, core.now()
    local = to_local(now, zone)
    first = monday(week or week_of(local.date()))
    since, until = to_utc(midnight(first), zone), to_utc(midnight(first + timedelta(days=7)), zone)
    with core.database.read() as session:
        entries = calendar(session, core.settings, who, now, since, until)
    columns = [
        _day(day, [one for one in entries if to_local(one.starts_at, zone).date() == day], local, core)
        for day in days(first)
    ]
    return {
        "week": week_of(first),
        "days": columns,
        "all_day": any(part.name == "all_day" and part.entries for day in columns for part in day.parts),
        "empty": all(day.empty for day in columns),
        "earlier": week_of(first - timedelta(days=7)),
        "later": week_of(first + timedelta(days=7)),
        "present": week_of(local.date()),
        "first": to_utc(midnight(first), zone),
        "last": to_utc(midnight(first + timedelta(days=6)), zone),
    }


def _day(day: date, entries: list[Entry], local: datetime, core: Controller) -> Day:
    today = day == local.date()

    def hour(entry: Entry) -> int:
        return to_local(entry.starts_at, core.settings.zone).hour

    sets = {
        "all_day": [one for one in entries if one.long],
        "morning": [one for one in entries if not one.long and hour(one) < _NOON],
        "afternoon": [one for one in entries if not one.long and hour(one) >= _NOON],
    }
    present = "morning" if local.hour < _NOON else "afternoon"
    return Day(
        day,
        today,
        [
            Part(
                name,
                found,
                sum(one.starts_at <= core.now() for one in found) if today and name == present else None,
            )
            for name, found in sets.items()
        ],
    )


def _matching(session: Session, entries: list[Entry], q: str, kind: str, site: str) -> list[Entry]:
    wanted = plain(q).split()
    invited: set[str] | None = None
    if site:
        invited = set(session.scalars(select(Invitation.meeting_id).where(Invitation.site_id == site)))
    return [
        entry
        for entry in entries
        if (not kind or entry.meeting.kind == kind)
        and (invited is None or entry.meeting.id in invited)
        and all(word in _text(entry) for word in wanted)
    ]


def _text(entry: Entry) -> str:
    meeting = entry.meeting
    return plain(f"{meeting.title} {meeting.chair} {meeting.place} {meeting.notes} {entry.main_site}")


def _sites(session: Session, who: Actor) -> list[tuple[str, str]]:
    """Sites in scope to filter by; none when there are too many to choose from a list."""
    rows = session.execute(select(Site.id, Site.name).where(Site.removed_at.is_(None)).limit(501)).all()
    known = [(site, name) for site, name in rows if who.sites is None or site in who.sites]
    return sorted(known, key=lambda one: plain(one[1])) if len(rows) <= 500 else []
