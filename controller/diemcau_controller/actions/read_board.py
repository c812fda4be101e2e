"""The board: sites as they stand, worst first, and how the next meeting stands; for page and API alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.board import TONES, Invited, Risk, rank, risk
from ..rules.naming import plain
from ..rules.refusals import NotFound
from ..rules.schedule import HORIZON
from ..store.tables import Area, Group, GroupMember, Invitation, Meeting, Occurrence
from .controller import Controller
from .fleet import Fleet, SiteNow

Tone = Literal["bad", "care", "none", "live", "good"]
_MEETINGS = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sites: those that match all of it. `text` is looked for word by word, without diacritics, in
    name, id, areas and contacts; `area` holds all below it, too; `unit` None: with or without."""

    text: str = ""
    tone: Tone | None = None
    area: str | None = None
    group: str | None = None
    unit: bool | None = None


@dataclass(frozen=True, slots=True)
class AreaCount:
    """An area and the sites in it, by tone."""

    area: Area
    total: int
    tones: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class MeetingNow:
    """A meeting that runs, or the next. `sites`: those in scope. `hall`: units join it (mode `here`)."""

    id: str
    meeting_id: str
    title: str
    kind: str
    mode: str
    urgent: bool
    place: str
    opens_at: datetime
    starts_at: datetime
    ends_at: datetime
    main_site: str
    speakers: tuple[str, ...]
    sites: tuple[str, ...]
    risk: Risk

    @property
    def hall(self) -> bool:
        return self.mode == "here"


@dataclass(frozen=True, slots=True)
class Board:
    """`sites` is what was wanted, worst first; `tones` counts what matches but for the tone. `areas`: those
    directly below the wanted one (or at the top) that hold any of these; `path` leads to the wanted one."""

    sites: Sequence[SiteNow]
    tones: Mapping[str, int]
    areas: Sequence[AreaCount]
    path: Sequence[Area]
    meetings: Sequence[MeetingNow] = ()
    speaking: Collection[str] = field(default_factory=frozenset)
    main_sites: Collection[str] = field(default_factory=frozenset)


def read_board(controller: Controller, who: Actor, wanted: Wanted) -> Board:
    """The board for `who`. Raises :class:`NotFound` for an area or group that is not there."""
    fleet, now = controller.fleet.now(), controller.now()
    with controller.database.read() as session:
        members = _members(session, wanted.group)
        meetings = meetings_now(session, fleet, who, now)
    main_sites = frozenset(one.main_site for one in meetings)
    running = [one for one in meetings if one.starts_at <= now]
    matching = list(_matching(fleet, who, wanted, members))
    tones = _count(matching)
    sites = [site for site in matching if wanted.tone is None or TONES[site.state] == wanted.tone]
    sites.sort(key=lambda site: (rank(site.state), site.id not in main_sites))  # they come by name
    return Board(
        sites=sites,
        tones=tones,
        areas=_areas(fleet, wanted.area, matching),
        path=_path(fleet, wanted.area),
        meetings=meetings,
        speaking=frozenset(site for one in running for site in one.speakers),
        main_sites=main_sites,
    )


def meetings_now(session: Session, fleet: Fleet, who: Actor, now: datetime) -> list[MeetingNow]:
    """What runs now, or else what comes next within the horizon, with a site in scope; in order of time."""
    rows = current_occurrences(session, who, now, HORIZON)
    return [_meeting_now(session, fleet, who, row, now) for row in rows]


def current_occurrences(session: Session, who: Actor, now: datetime, within: timedelta) -> list[Occurrence]:
    """The occurrences of :func:`meetings_now`, within that time."""
    query = (
        select(Occurrence)
        .where(Occurrence.finished_at.is_(None), Occurrence.cap_at > now, Occurrence.opens_at < now + within)
        .order_by(Occurrence.starts_at)
    )
    if who.sites is not None:
        own = select(Invitation.meeting_id).where(Invitation.site_id.in_(who.sites))
        query = query.where(Occurrence.meeting_id.in_(own))
    rows = session.scalars(query.limit(_MEETINGS)).all()
    running = [row for row in rows if row.opens_at <= now]
    return running or list(rows[:1])


def _meeting_now(session: Session, fleet: Fleet, who: Actor, row: Occurrence, now: datetime) -> MeetingNow:
    meeting = session.get_one(Meeting, row.meeting_id)
    invited = select(Invitation.site_id).where(Invitation.meeting_id == row.meeting_id)
    sites = [site for site in session.scalars(invited.order_by(Invitation.position)) if who.sees(site)]
    known = [fleet.by_id[site] for site in sites if site in fleet.by_id]
    return MeetingNow(
        id=row.id,
        meeting_id=row.meeting_id,
        title=meeting.title,
        kind=meeting.kind,
        mode=meeting.mode,
        urgent=meeting.urgent,
        place=meeting.place,
        opens_at=row.opens_at,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        main_site=meeting.main_site_id,
        speakers=tuple(row.floor_speakers),
        sites=tuple(site.id for site in known),
        risk=risk(
            [_invited(site, row.id) for site in known], meeting.main_site_id, opened=row.opens_at <= now
        ),
    )


def _invited(site: SiteNow, occurrence: str) -> Invited:
    said = site.session_in(occurrence)
    inside = said is not None and said.get("state") == "in_meeting"
    return Invited(site.id, site.search, site.state, inside, bool(site.phone))


def _members(session: Session, group: str | None) -> frozenset[str] | None:
    if group is None:
        return None
    if session.get(Group, group) is None:
        raise NotFound(
            f"there is no group {group[:80]}", code="board.group_unknown", field="group", group=group
        )
    return frozenset(session.scalars(select(GroupMember.site_id).where(GroupMember.group_id == group)))


def _matching(fleet: Fleet, who: Actor, wanted: Wanted, members: frozenset[str] | None) -> Iterable[SiteNow]:
    words = plain(wanted.text).split()
    for site in fleet.of(who):
        if members is not None and site.id not in members:
            continue
        if wanted.area is not None and wanted.area not in site.areas:
            continue
        if wanted.unit is not None and (site.unit is not None) != wanted.unit:
            continue
        if all(word in site.search for word in words):
            yield site


def _areas(fleet: Fleet, area: str | None, sites: Iterable[SiteNow]) -> list[AreaCount]:
    """Worst first: those with most sites to look at."""
    within: dict[str, list[SiteNow]] = {}
    for site in sites:
        depth = 0 if area is None else site.areas.index(area) + 1
        if depth < len(site.areas):
            within.setdefault(site.areas[depth], []).append(site)
    counts = [AreaCount(fleet.areas[one], len(found), _count(found)) for one, found in within.items()]
    return sorted(counts, key=lambda one: (-one.tones["bad"], -one.tones["care"], plain(one.area.name)))


def _path(fleet: Fleet, area: str | None) -> list[Area]:
    if area is not None and area not in fleet.areas:
        raise NotFound(f"there is no area {area[:80]}", code="board.area_unknown", field="area", area=area)
    path: list[Area] = []
    while area is not None and area in fleet.areas and len(path) < len(fleet.areas):
        path.append(fleet.areas[area])
        area = fleet.areas[area].parent_id
    return path[::-1]


def _count(sites: Iterable[SiteNow]) -> dict[str, int]:
    counts = dict.fromkeys(("bad", "care", "none", "live", "good"), 0)
    for site in sites:
        counts[TONES[site.state]] += 1
    return counts
