"""Desired documents: what a unit should last be; and `desired/schedule`, made from the meetings.

What renews one (here, and :mod:`.desired_config`) runs inside a transaction, raises the revision where the
document differs from the stored one, and gives the letters to send after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from diemcau_wire import MAX_BYTES, encode
from diemcau_wire.messages import (
    DesiredConfig,
    DesiredSchedule,
    Join,
    Message,
    Mode,
)
from diemcau_wire.messages import Occurrence as OccurrenceMessage
from diemcau_wire.topics import Channel
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, joinedload

from ..config import Settings
from ..rules.schedule import HORIZON
from ..store.tables import Desired, Invitation, Json, Occurrence, Site, Unit
from .controller import Letter
from .meeting_links import hall_addresses

_ROOM_FOR_GROWTH = 2 * 1024
_FEW = 500  # so many are named in a query; more are picked out of all
PHONE_AHEAD = timedelta(days=4)  # so near a meeting comes with the address of the hall's phone page
CLOSED_KEPT = timedelta(hours=1)  # so long a closed meeting stays in the schedule, for units that were away


def renew_schedule(
    session: Session, settings: Settings, now: datetime, units: Iterable[Unit] | None = None
) -> list[Letter]:
    """Bring the desired schedule of these units (None: of all that serve a site) up to date."""
    if units is None:
        units = session.scalars(select(Unit).where(Unit.site_id.is_not(None)))
    units = list(units)
    sites = {unit.site_id for unit in units if unit.site_id is not None}
    of_site = _invited(session, now, sites)
    upcoming = session.scalars(
        select(Occurrence)
        .options(joinedload(Occurrence.meeting))
        .where(_told(now), Occurrence.meeting_id.in_({one for found in of_site.values() for one in found}))
        .order_by(Occurrence.starts_at)
    ).all()
    mains = {row.meeting.main_site_id for row in upcoming}
    main_sites = select(Site.id, Site.name).where(Site.id.in_(mains))
    names = {site: name for site, name in session.execute(main_sites)}
    entries = [_Entry.of(row, _entry(row, names, settings), settings, now) for row in upcoming]
    numbers: dict[str, list[int]] = {}
    for number, row in enumerate(upcoming):
        numbers.setdefault(row.meeting_id, []).append(number)
    schedules = select(Desired).where(Desired.channel == Channel.DESIRED_SCHEDULE.value)
    if len(units) < _FEW:
        schedules = schedules.where(Desired.unit.in_([unit.id for unit in units]))
    stored = {row.unit: row for row in session.scalars(schedules)}
    letters = []
    for unit in units:
        site = unit.site_id or ""
        mine = sorted(n for meeting in of_site.get(site, ()) for n in numbers.get(meeting, ()))
        schedule = _schedule(unit, [entries[number] for number in mine], now)
        letters += _store_schedule(session, unit, stored.get(unit.id), schedule)
    return letters


def units_at(session: Session, sites: Iterable[str]) -> list[Unit]:
    """The units that serve these sites: whose schedules a change of a meeting touches."""
    wanted = set(sites)
    serving = select(Unit).where(Unit.site_id.is_not(None))
    if len(wanted) < _FEW:
        return list(session.scalars(serving.where(Unit.site_id.in_(wanted))))
    return [unit for unit in session.scalars(serving) if unit.site_id in wanted]


def _told(now: datetime) -> ColumnElement[bool]:
    """Occurrences that units are told of."""
    lately = Occurrence.finished_at.is_(None) | (Occurrence.finished_at > now - CLOSED_KEPT)
    return (Occurrence.cap_at > now) & lately


def _invited(session: Session, now: datetime, sites: set[str]) -> dict[str, list[str]]:
    """By site, the meetings to be told of that it is invited to."""
    told = select(Occurrence.meeting_id).where(_told(now)).distinct()
    rows = select(Invitation.site_id, Invitation.meeting_id).where(Invitation.meeting_id.in_(told))
    if len(sites) < _FEW:
        rows = rows.where(Invitation.site_id.in_(sites))
    found: dict[str, list[str]] = {}
    for site, meeting in session.execute(rows):
        found.setdefault(site, []).append(meeting)
    return found


def stored_letters(session: Session) -> list[Letter]:
    """Every desired document as it was last published."""
    rows = session.scalars(select(Desired)).all()
    return [Letter(_load(row), Channel(row.channel)) for row in rows]


def overtake(session: Session, unit: str, channel: Channel, reported_rev: int) -> list[Letter]:
    """Raise the revision of a desired document above one that a unit reports but we never gave.

    That happens when this database is an older copy; the unit would ignore our documents for ever.
    """
    row = session.get(Desired, (unit, channel.value))
    if row is None or reported_rev <= row.rev:
        return []
    row.rev = reported_rev + 1
    row.document = {**row.document, "rev": row.rev}
    return [Letter(_load(row), channel)]


def _load(row: Desired) -> Message:
    model = DesiredConfig if row.channel == Channel.DESIRED_CONFIG else DesiredSchedule
    return model.model_validate(row.document)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An occurrence as it is told to every hall: made once, for a fleet of thousands.

    `phone` gives the address of a hall's own page about it, by site and unit. It has one when it is held here
    and near: each hall's is another, and thousands of them for a month ahead are what announcing would take
    longest with.
    """

    starts_at: datetime
    message: OccurrenceMessage
    document: Json
    size: int
    phone: Callable[[str, str], str] | None

    @classmethod
    def of(cls, row: Occurrence, message: OccurrenceMessage, settings: Settings, now: datetime) -> _Entry:
        document = message.model_dump(mode="json", exclude_none=True)
        near = message.mode is Mode.HERE and row.starts_at < _midnight(now) + PHONE_AHEAD
        phone = hall_addresses(settings, row) if near else None
        return cls(row.starts_at, message, document, len(message.model_dump_json().encode()) + 1, phone)

    def at(self, unit: Unit) -> tuple[OccurrenceMessage, Json]:
        """As this unit is told for its hall, to send and to store."""
        if self.phone is None:
            return self.message, self.document
        phone = self.phone(unit.site_id or "", unit.id)
        return self.message.model_copy(update={"phone": phone}), {**self.document, "phone": phone}


@dataclass(frozen=True, slots=True)
class _Schedule:
    """A unit's schedule: what is stored, and what it is made of should it have to be sent."""

    message: DesiredSchedule
    entries: list[OccurrenceMessage]
    document: Json


def _schedule(unit: Unit, entries: list[_Entry], now: datetime) -> _Schedule:
    """The next meetings, as many whole ones as fit into a message, nearest first."""
    until = _midnight(now) + HORIZON
    message = DesiredSchedule(unit=unit.id, epoch=unit.epoch, rev=0, until=until, meetings=[])
    room = MAX_BYTES - _ROOM_FOR_GROWTH - len(encode(message))
    fitting: list[tuple[OccurrenceMessage, Json]] = []
    for entry in entries[:500]:
        told = entry.at(unit)
        room -= entry.size + len(told[0].phone or "")
        if room < 0:
            message = message.model_copy(update={"until": entry.starts_at})
            break
        fitting.append(told)
    document = message.model_dump(mode="json", exclude_none=True)
    return _Schedule(
        message,
        [entry for entry, _ in fitting],
        {**document, "meetings": [document for _, document in fitting]},
    )


def _midnight(now: datetime) -> datetime:
    """When the day began (UTC). What lies ahead is counted from here, so that all told on a day agrees."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _store_schedule(session: Session, unit: Unit, row: Desired | None, schedule: _Schedule) -> list[Letter]:
    if row is not None and {**row.document, "rev": 0} == schedule.document:
        return []
    if row is None:
        row = Desired(unit=unit.id, channel=Channel.DESIRED_SCHEDULE.value, rev=0, document={})
        session.add(row)
    row.rev += 1
    row.document = {**schedule.document, "rev": row.rev}
    sent = {"rev": row.rev, "meetings": schedule.entries}
    return [Letter(schedule.message.model_copy(update=sent), Channel.DESIRED_SCHEDULE)]


def _entry(row: Occurrence, names: dict[str, str], settings: Settings) -> OccurrenceMessage:
    meeting = row.meeting
    return OccurrenceMessage(
        id=row.id,
        title=meeting.title,
        kind=meeting.kind,
        opens_at=row.opens_at,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        cap_at=row.cap_at,
        main_site=meeting.main_site_id,
        main_site_name=names[meeting.main_site_id],
        mode=Mode(meeting.mode),
        join=Join(url=settings.janus_url, room=row.room, pin=row.pin) if meeting.mode == Mode.HERE else None,
        urgent=meeting.urgent,
        closed=row.closed_at is not None,
    )
