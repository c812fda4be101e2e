"""Every site as it stands now, kept in memory: what board, lists and API read instead of the database.

The writer says which sites a transaction touched (:mod:`..store.touched`); only these are read again, by the
first who looks afterwards. So a reader never sees less than what was committed before it asked, and a fleet
at rest costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from diemcau_wire.topics import Channel
from sqlalchemy import select
from sqlalchemy.orm import Session, raiseload

from ..rules.actor import Actor
from ..rules.board import connected, line_of, state_of
from ..rules.naming import plain
from ..rules.room import Room, read_room
from ..rules.verdicts import Verdict, read_verdict
from ..store.database import Database
from ..store.tables import ROOM, VERDICT, Area, Desired, Newest, Site, Unit
from ..store.touched import Touched

Document = Mapping[str, Any]

_AT_A_TIME = 500  # ids in one query


@dataclass(frozen=True, slots=True)
class SiteNow:
    """A site with its unit and what that unit last said. The rows are detached: read their columns only.

    `newest` holds the newest message by channel (`verdict`: the newest self-check) with its time `at`,
    `revisions` the desired revision by channel. `state` and `line` are words of :mod:`..rules.board`;
    `search` is what a search without diacritics looks through; `areas` leads from the top to its own.
    """

    id: str
    name: str
    row: Site
    unit: Unit | None
    area: Area | None
    areas: tuple[str, ...]
    newest: Mapping[str, Document]
    revisions: Mapping[str, int]
    state: str
    line: str
    search: str
    removed: bool

    @property
    def rtt_ms(self) -> float | None:
        """How long the way to the broker and back took, as the unit last measured it."""
        return None if self.line == "unknown" else self.newest[Channel.HEALTH]["link_rtt_ms"]

    @property
    def verdict(self) -> Verdict:
        """The newest check of its room."""
        return read_verdict(self.newest.get(VERDICT, {}))

    @property
    def instruction(self) -> str:
        """The key of the one thing to do after the newest check, or nothing."""
        return self.verdict.instruction

    @property
    def room(self) -> Room:
        """What is open in its hall, as long as its unit is connected."""
        here = self.unit is not None and connected(self.unit.status)
        return read_room(self.newest.get(ROOM, {})) if here else Room()

    @property
    def devices(self) -> Sequence[Document]:
        """What its unit found plugged in, as :class:`diemcau_wire.messages.FoundDevice`."""
        found: Sequence[Document] = self.newest.get(Channel.REPORTED_DEVICES, {}).get("devices", ())
        return found

    @property
    def phone(self) -> str:
        """The number to call first, or nothing."""
        return next((one["phone"] for one in self.row.contacts if one.get("phone")), "")

    @property
    def config_error(self) -> str:
        """Why the unit could not take its configuration, or nothing."""
        return str(self.newest.get(Channel.REPORTED_CONFIG, {}).get("error") or "")

    def session_in(self, occurrence_id: str) -> Document | None:
        """What a connected unit last said of its session, if that is of this occurrence."""
        said = self.newest.get(Channel.REPORTED_SESSION)
        here = self.unit is not None and connected(self.unit.status)
        return said if said is not None and here and said.get("meeting") == occurrence_id else None


@dataclass(frozen=True)
class Fleet:
    """All sites at one moment, by name; those removed are only in `by_id`. `below` holds, for each area, the
    areas directly in it (None: those at the top), by name."""

    sites: tuple[SiteNow, ...] = ()
    by_id: Mapping[str, SiteNow] = field(default_factory=dict)
    by_unit: Mapping[str, SiteNow] = field(default_factory=dict)
    areas: Mapping[str, Area] = field(default_factory=dict)
    below: Mapping[str | None, tuple[Area, ...]] = field(default_factory=dict)

    def of(self, who: Actor) -> Sequence[SiteNow]:
        """The sites in scope, by name."""
        return self.sites if who.sites is None else [site for site in self.sites if who.sees(site.id)]


class FleetView:
    """Holds the fleet as it was last read, and what has been touched since."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._touched = Touched(everything=True)
        self._noting = threading.Lock()  # never held while the database is read: the writer waits for it
        self._reading = threading.Lock()
        self._fleet = Fleet()

    def note(self, touched: Touched) -> None:
        """A transaction was committed. Called by the writer; never blocks."""
        with self._noting:
            self._touched.add(touched)

    def now(self) -> Fleet:
        """The fleet as it stands. May read the database: call it from a thread, not from the event loop."""
        with self._reading:
            with self._noting:
                touched, self._touched = self._touched, Touched()
            if touched:
                try:
                    self._fleet = self._renewed(touched)
                except BaseException:
                    self.note(touched)  # it is still to be read
                    raise
            return self._fleet

    def _renewed(self, touched: Touched) -> Fleet:
        old = self._fleet
        with self._database.read() as session:
            if touched.everything:
                return _arranged({site.id: site for site in read_sites(session)}, read_areas(session))
            wanted = set(touched.sites)
            wanted |= {old.by_unit[unit].id for unit in touched.units if unit in old.by_unit}
            for ids in _portions(touched.units):
                serving = select(Unit.site_id).where(Unit.id.in_(ids), Unit.site_id.is_not(None))
                wanted |= {site for site in session.scalars(serving) if site is not None}
            fresh = {site.id: site for site in read_sites(session, wanted, old.areas)}
        if all(_same_place(old.by_id.get(site_id), fresh.get(site_id)) for site_id in wanted):
            return _exchanged(old, fresh)
        gone = wanted - fresh.keys()
        by_id = {site_id: site for site_id, site in old.by_id.items() if site_id not in gone} | fresh
        return _arranged(by_id, old.areas)


def read_sites(
    session: Session, site_ids: Iterable[str] | None = None, areas: Mapping[str, Area] | None = None
) -> list[SiteNow]:
    """These sites (None: all), by name, straight from the database."""
    areas = read_areas(session) if areas is None else areas
    ids = None if site_ids is None else set(site_ids)
    found: list[SiteNow] = []
    for portion in [None] if ids is None else _portions(ids):
        sites = select(Site).options(raiseload("*"))
        serving = select(Unit).options(raiseload("*")).where(Unit.site_id.is_not(None))
        if portion is not None:
            sites, serving = sites.where(Site.id.in_(portion)), serving.where(Unit.site_id.in_(portion))
        rows = session.scalars(sites).all()
        units = {unit.site_id: unit for unit in session.scalars(serving)}
        among = None if portion is None else [unit.id for unit in units.values()]
        newest, revisions = read_documents(session, among)
        found += [_site_now(row, units.get(row.id), areas, newest, revisions) for row in rows]
    return sorted(found, key=_by_name)


def read_documents(
    session: Session, unit_ids: Iterable[str] | None = None
) -> tuple[dict[str, dict[str, Document]], dict[str, dict[str, int]]]:
    """Newest documents and desired revisions by unit (None: of all) and channel."""
    newest: dict[str, dict[str, Document]] = {}
    revisions: dict[str, dict[str, int]] = {}
    said = select(Newest.unit, Newest.channel, Newest.at, Newest.document)
    wished = select(Desired.unit, Desired.channel, Desired.rev)
    for portion in [None] if unit_ids is None else _portions(unit_ids):
        newest_rows = said if portion is None else said.where(Newest.unit.in_(portion))
        wished_rows = wished if portion is None else wished.where(Desired.unit.in_(portion))
        for unit, channel, at, document in session.execute(newest_rows):
            newest.setdefault(unit, {})[channel] = {**document, "at": stamp(at)}
        for unit, channel, rev in session.execute(wished_rows):
            revisions.setdefault(unit, {})[channel] = rev
    return newest, revisions


def read_areas(session: Session) -> dict[str, Area]:
    """Every area by its id."""
    return {area.id: area for area in session.scalars(select(Area))}


def stamp(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC."""
    return moment.isoformat().replace("+00:00", "Z")


def _site_now(
    row: Site,
    unit: Unit | None,
    areas: Mapping[str, Area],
    newest: Mapping[str, dict[str, Document]],
    revisions: Mapping[str, dict[str, int]],
) -> SiteNow:
    said = newest.get(unit.id, {}) if unit is not None else {}
    status = unit.status if unit is not None else None
    path = _path(row.area_id, areas)
    contacts = " ".join(f"{one.get('name', '')} {one.get('phone', '')}" for one in row.contacts)
    named = " ".join(areas[area].name for area in path)
    return SiteNow(
        id=row.id,
        name=row.name,
        row=row,
        unit=unit,
        area=areas.get(row.area_id) if row.area_id else None,
        areas=path,
        newest=said,
        revisions=revisions.get(unit.id, {}) if unit is not None else {},
        state=state_of(
            status,
            said.get(Channel.REPORTED_SESSION, {}).get("state"),
            said.get(VERDICT, {}).get("verdict"),
        ),
        line=line_of(status, said.get(Channel.HEALTH, {}).get("link_rtt_ms")),
        search=plain(f"{row.name} {row.id} {named} {contacts}"),
        removed=row.removed_at is not None,
    )


def _path(area_id: str | None, areas: Mapping[str, Area]) -> tuple[str, ...]:
    path: list[str] = []
    while area_id is not None and area_id in areas and area_id not in path:  # a ring would never end
        path.append(area_id)
        area_id = areas[area_id].parent_id
    return tuple(reversed(path))


def _arranged(by_id: Mapping[str, SiteNow], areas: Mapping[str, Area]) -> Fleet:
    below: dict[str | None, list[Area]] = {}
    for area in sorted(areas.values(), key=lambda area: (plain(area.name), area.id)):
        below.setdefault(area.parent_id, []).append(area)
    ordered = sorted(by_id.values(), key=_by_name)
    return Fleet(
        sites=tuple(site for site in ordered if not site.removed),
        by_id=by_id,
        by_unit={site.unit.id: site for site in ordered if site.unit is not None},
        areas=areas,
        below={parent: tuple(found) for parent, found in below.items()},
    )


def _same_place(old: SiteNow | None, new: SiteNow | None) -> bool:
    """True when a site stands where it stood, with the same unit: what a unit says changes no more."""
    if old is None or new is None:
        return False
    units = (one.unit.id if one.unit is not None else None for one in (old, new))
    return (old.search, old.removed) == (new.search, new.removed) and len(set(units)) == 1


def _exchanged(old: Fleet, fresh: Mapping[str, SiteNow]) -> Fleet:
    """The same fleet with these sites in the places of their elder selves."""
    return replace(
        old,
        sites=tuple(fresh.get(site.id, site) for site in old.sites),
        by_id={**old.by_id, **fresh},
        by_unit={**old.by_unit, **{site.unit.id: site for site in fresh.values() if site.unit is not None}},
    )


def _by_name(site: SiteNow) -> tuple[str, str, str]:
    return site.search, site.name, site.id


def _portions(ids: Iterable[str]) -> Iterable[list[str]]:
    known = sorted(ids)
    return [known[start : start + _AT_A_TIME] for start in range(0, len(known), _AT_A_TIME)]
