"""Take in what units say: a batch of messages becomes rows in one transaction.

What arrives twice changes nothing: events fall on (unit, stream, seq), of the rest the newest counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from diemcau_wire.messages import (
    Event,
    EventKind,
    Health,
    Message,
    Receipt,
    Reported,
    ReportedDevices,
    ReportedSession,
    State,
)
from diemcau_wire.topics import Channel
from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session, aliased

from ..rules import presence, room
from ..rules.actor import SYSTEM
from ..rules.board import line_of
from ..rules.sources import masked_all
from ..rules.verdicts import moment_of
from ..store.tables import (
    ROOM,
    VERDICT,
    Binding,
    EventRow,
    HealthRow,
    Newest,
    Occurrence,
    Stream,
    Unit,
)
from .audit import record
from .controller import Letter
from .desired import overtake
from .note_check import held_hours, note_check, note_hour
from .note_join import note_join, note_other_start

_GAP_GIVEN_UP = timedelta(hours=1)
_GAP_AFTER_RESTORE = timedelta(seconds=10)
_ATTENDANCE = (EventKind.JOINED, EventKind.REJOINED, EventKind.DROPPED, EventKind.LEFT)
_DESIRED = {
    Channel.REPORTED_CONFIG: Channel.DESIRED_CONFIG,
    Channel.REPORTED_SCHEDULE: Channel.DESIRED_SCHEDULE,
}


@dataclass(frozen=True, slots=True)
class Taken:
    """A message to take in. `retained`: the broker had kept it, so it says nothing of this moment."""

    channel: Channel
    message: Message
    retained: bool = False


@dataclass
class Told:
    """What is to be told after the commit. `refused` counts what changed nothing, by reason."""

    letters: list[Letter] = field(default_factory=list)
    news: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, other: Told) -> None:
        """Tell what `other` tells, too."""
        self.letters += other.letters
        self.news += other.news
        self.refused += other.refused


def ingest(session: Session, batch: Sequence[Taken], now: datetime, zone: tzinfo = UTC) -> Told:
    """Take in a batch, inside a transaction. Days of the history of checks are those of `zone`."""
    told = Told()
    speaking = {taken.message.unit for taken in batch}
    # Read once what every message would otherwise ask for; the session keeps it while we hold it.
    units = session.scalars(select(Unit).where(Unit.id.in_(speaking))).all()
    held = [units, session.scalars(select(Newest).where(Newest.unit.in_(speaking))).all()]
    measured = {taken.message.unit for taken in batch if isinstance(taken.message, Health)}
    hours = held_hours(session, [one.site_id for one in units if one.id in measured], now)
    events: list[Event] = []
    for taken in batch:
        message = taken.message
        if isinstance(message, Event):
            events.append(message)
        elif isinstance(message, State):
            _state(session, message, message.at if taken.retained else now, told)
        elif isinstance(message, Health):
            _health(session, message, now, told)
        elif isinstance(message, Reported):
            _reported(session, taken.channel, message, told)
        elif isinstance(message, ReportedSession):
            _newest(session, message.unit, taken.channel, message.at, message)
            told.news.append(("session", {"unit": message.unit, "meeting": message.meeting}))
        elif isinstance(message, ReportedDevices):
            _newest(session, message.unit, taken.channel, message.at, message)
            told.news.append(("devices", {"unit": message.unit}))
    if events:
        _events(session, events, now, zone, told)
    del held, hours
    return told


def _unit(session: Session, unit_id: str) -> Unit:
    """The row of a unit; one that our authority made but nobody has bound yet is noted too."""
    unit = session.get(Unit, unit_id)
    if unit is None:
        unit = Unit(id=unit_id, epoch=0, status="never")
        session.add(unit)
        session.flush()
    return unit


def _state(session: Session, state: State, at: datetime, told: Told) -> None:
    unit = _unit(session, state.unit)
    if not presence.counts(state.status, state.nonce, unit.nonce):
        told.refused["stale"] += 1
        return
    if state.status is state.status.ONLINE and state.nonce != unit.nonce:
        told.news += note_join(session, unit, state, at)
    unit.status = state.status.value
    unit.boot_id, unit.nonce, unit.version = state.boot_id, state.nonce, state.version
    if state.status is not state.status.LOST:
        unit.last_seen = max(at, unit.last_seen or at)
    told.news.append(("unit", {"unit": unit.id, "site": unit.site_id, "status": unit.status}))


def _health(session: Session, health: Health, now: datetime, told: Told) -> None:
    unit = _unit(session, health.unit)
    newest = session.get(Newest, (health.unit, Channel.HEALTH.value))
    if newest is not None:
        document = newest.document
        if document.get("boot_id") == health.boot_id and int(document.get("seq", 0)) >= health.seq:
            told.refused["stale"] += 1
            return
    if unit.boot_id not in (None, health.boot_id):
        told.news += note_other_start(session, unit, health, now)
    line_before = line_of("online", newest.document.get("link_rtt_ms") if newest is not None else None)
    _newest(session, health.unit, Channel.HEALTH, now, health)
    session.add(HealthRow(unit=health.unit, at=now, document=_document(health)))
    if unit.site_id is not None:
        note_hour(session, unit.site_id, health, now)
    unit.last_seen = now
    back = unit.status == "silent"
    if back:
        unit.status = "online"
    if back or line_of("online", health.link_rtt_ms) != line_before:
        told.news.append(("unit", {"unit": unit.id, "site": unit.site_id, "status": unit.status}))


def _reported(session: Session, channel: Channel, reported: Reported, told: Told) -> None:
    unit = _unit(session, reported.unit)
    _newest(session, reported.unit, channel, reported.at, reported)
    if reported.epoch == unit.epoch:
        told.letters += overtake(session, unit.id, _DESIRED[channel], reported.rev)
    told.news.append(("unit", {"unit": unit.id, "site": unit.site_id, "status": unit.status}))


def _newest(session: Session, unit: str, channel: str, at: datetime, message: Message) -> None:
    row = session.get(Newest, (unit, str(channel)))
    if row is None:
        session.add(Newest(unit=unit, channel=str(channel), at=at, document=_document(message)))
        session.flush()
    else:
        row.at, row.document = at, _document(message)


def _document(message: Message) -> dict[str, Any]:
    document = message.model_dump(mode="json", exclude={"v", "unit"})
    return document if isinstance(message, Health) else dict(masked_all(document))


def _events(session: Session, events: list[Event], now: datetime, zone: tzinfo, told: Told) -> None:
    speaking = {event.unit for event in events}
    bound = select(Binding.unit_id, Binding.site_id).where(Binding.unit_id.in_(speaking))
    served = {(unit, site) for unit, site in session.execute(bound)}
    rows = [
        {
            **event.model_dump(exclude={"v"}),
            "data": masked_all(event.data),
            "kind": event.kind.value,
            "site": event.site if (event.unit, event.site) in served else None,
            "received_at": now,
        }
        for event in events
    ]
    known_before = session.scalar(select(func.max(EventRow.number))) or 0
    session.execute(insert(EventRow).on_conflict_do_nothing(), rows)
    for (unit, stream), receipt in _receipts(session, events, now).items():
        told.letters.append(Letter(Receipt(unit=unit, streams={stream: receipt}), Channel.RECEIPT))
    fresh = session.scalars(
        select(EventRow).where(EventRow.number > known_before).order_by(EventRow.number)
    ).all()
    told.refused["replayed"] += len(events) - len(fresh)
    for row in fresh:
        _unit(session, row.unit)
        if row.kind == EventKind.VERDICT:
            _verdict(session, row, now)
            note_check(session, row, now, zone)
        elif row.kind in room.EVENTS:
            _room(session, row)
        if row.kind in _ATTENDANCE and row.meeting is not None:
            occurrence = session.get(Occurrence, row.meeting)
            if occurrence is not None:
                occurrence.reported_at = None  # a report already written is written again
        told.news.append(("event", event_view(row)))


def _verdict(session: Session, row: EventRow, now: datetime) -> None:
    newest, at = session.get(Newest, (row.unit, VERDICT)), moment_of(row.at, now)
    if newest is None:
        session.add(Newest(unit=row.unit, channel=VERDICT, at=at, document=row.data))
        session.flush()
    elif at >= newest.at:
        newest.at, newest.document = at, row.data


def _room(session: Session, row: EventRow) -> None:
    known = session.get(Newest, (row.unit, ROOM))
    before = known.document if known is not None else {}
    document = room.room_after(before, row.kind, row.data, row.at.isoformat())
    if known is not None:
        known.at, known.document = row.at, document
    elif document:
        session.add(Newest(unit=row.unit, channel=ROOM, at=row.at, document=document))
        session.flush()


def _receipts(session: Session, events: list[Event], now: datetime) -> dict[tuple[str, str], int]:
    """Per stream the highest sequence up to which nothing is missing.

    A gap is waited for: after a broken connection newer events may overtake older ones. One that stays open
    for an hour is given up (the border refused that event), or the unit's outbox would never empty. After a
    restore it is soon given up and written down: what has a receipt of the lost controller never comes.
    """
    receipts = {}
    for unit, stream in {(event.unit, event.stream): None for event in events}:
        row = session.get(Stream, (unit, stream))
        of_stream = select(func.min(EventRow.seq)).where(EventRow.unit == unit, EventRow.stream == stream)
        if row is None:
            row = Stream(unit=unit, stream=stream, receipt=session.scalar(of_stream) or 0)
            session.add(row)
        before = row.receipt
        row.receipt = _complete_from(session, unit, stream, before)
        patience = _GAP_AFTER_RESTORE if row.restored else _GAP_GIVEN_UP
        overdue = session.scalar(
            of_stream.where(EventRow.seq > row.receipt, EventRow.received_at <= now - patience)
        )
        if overdue is not None:
            if row.restored:
                lost = {"stream": stream, "first": row.receipt + 1, "last": overdue - 1}
                record(session, SYSTEM, now, "installation.gap", f"unit:{unit}", after=lost)
            row.receipt = _complete_from(session, unit, stream, overdue)
        row.restored = row.restored and row.receipt == before
        receipts[unit, stream] = row.receipt
    return receipts


def _complete_from(session: Session, unit: str, stream: str, seq: int) -> int:
    following = aliased(EventRow)
    has_next = (
        select(following.seq)
        .where(following.unit == unit, following.stream == stream, following.seq == EventRow.seq + 1)
        .exists()
    )
    last = session.scalar(
        select(EventRow.seq)
        .where(EventRow.unit == unit, EventRow.stream == stream, EventRow.seq >= seq, ~has_next)
        .order_by(EventRow.seq)
        .limit(1)
    )
    return last if last is not None else seq


def event_view(row: EventRow) -> dict[str, Any]:
    """An event as API, page and command line show it."""
    return {
        "number": row.number,
        "id": row.id,
        "unit": row.unit,
        "boot_id": row.boot_id,
        "stream": row.stream,
        "seq": row.seq,
        "at": row.at.isoformat().replace("+00:00", "Z"),
        "kind": row.kind,
        "site": row.site,
        "meeting": row.meeting,
        "data": row.data,
    }
