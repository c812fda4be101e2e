"""What units say becomes rows: once, in order, the newest counting."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.desired import renew_schedule
from diemcau_controller.actions.ingest import Taken, Told, ingest
from diemcau_controller.config import Settings
from diemcau_controller.store.tables import (
    AuditRow,
    Binding,
    Desired,
    EventRow,
    HealthRow,
    Newest,
    Site,
    Stream,
    Unit,
)
from diemcau_wire.messages import (
    Event,
    EventKind,
    Health,
    Message,
    Presence,
    Receipt,
    Reported,
    ReportedSession,
    State,
)
from diemcau_wire.topics import Channel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.empty_database import empty_database

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
UNIT = "u1"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    database = empty_database(tmp_path / "controller.sqlite", tmp_path / "health.sqlite")
    with database.session() as made:
        made.add(Site(id="a", name="A", epoch=1))
        made.flush()
        made.add(Unit(id=UNIT, site_id="a", epoch=1, status="never"))
        made.flush()
        made.add(Binding(site_id="a", epoch=1, unit_id=UNIT, bound_at=NOW))
        made.flush()
        yield made
    database.close()


def event(seq: int, kind: EventKind = EventKind.BOOTED, **more: Any) -> Event:
    values = {"stream": "s", "at": NOW, "boot_id": "b", "unit": UNIT, **more}
    return Event(id=f"{values['unit']}:{values['stream']}:{seq}", seq=seq, kind=kind, **values)


def state(status: Presence, nonce: str) -> State:
    return State(unit=UNIT, status=status, boot_id="b", nonce=nonce, version="1", at=NOW)


def health(seq: int, boot: str = "b") -> Health:
    return Health(
        unit=UNIT,
        boot_id=boot,
        seq=seq,
        at=NOW,
        interval_s=10,
        cpu_percent=1,
        memory_percent=1,
        disk_free_bytes=1,
        uptime_s=1,
    )


def take(session: Session, *messages: Message, now: datetime = NOW, retained: bool = False) -> Told:
    channels = {State: Channel.STATE, Health: Channel.HEALTH, Event: Channel.EVENT}
    batch = [Taken(channels.get(type(m), Channel.REPORTED_SESSION), m, retained) for m in messages]
    told = ingest(session, batch, now)
    session.flush()
    return told


def receipt(told: Told) -> int | None:
    letters = [one.message for one in told.letters if isinstance(one.message, Receipt)]
    return letters[-1].streams["s"] if letters else None


def rows(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(EventRow)) or 0


def test_an_event_twice_is_one_row_and_two_receipts(session: Session) -> None:
    first = take(session, event(1), event(1), event(2))
    again = take(session, event(1), event(2))
    assert (receipt(first), receipt(again), rows(session)) == (2, 2, 2)
    assert (first.refused, again.refused) == ({"replayed": 1}, {"replayed": 2})
    assert len([one for one in first.news if one[0] == "event"]) == 2
    assert [one for one in again.news if one[0] == "event"] == []


def test_a_unit_speaks_for_no_site_but_its_own(session: Session) -> None:
    take(session, event(1, site="a"), event(2, site="b"))
    assert [row.site for row in session.scalars(select(EventRow).order_by(EventRow.seq))] == ["a", None]


def test_a_gap_is_waited_for(session: Session) -> None:
    assert receipt(take(session, event(1), event(4), event(5))) == 1
    assert receipt(take(session, event(3))) == 1
    assert receipt(take(session, event(2))) == 5


def test_a_gap_that_stays_is_given_up(session: Session) -> None:
    assert receipt(take(session, event(1), event(3))) == 1
    assert receipt(take(session, event(4), now=NOW + timedelta(hours=2))) == 4


def test_a_stream_may_begin_anywhere(session: Session) -> None:
    """This database may be younger than the unit."""
    assert receipt(take(session, event(41), event(42))) == 42


def test_a_new_stream_counts_for_itself(session: Session) -> None:
    take(session, event(1), event(2))
    told = take(session, event(1, stream="t"))
    assert rows(session) == 3
    assert [letter.message.streams for letter in told.letters if isinstance(letter.message, Receipt)] == [
        {"t": 1}
    ]


def test_presence_follows_the_present_connection(session: Session) -> None:
    unit = session.get_one(Unit, UNIT)
    take(session, state(Presence.ONLINE, "n1"))
    take(session, state(Presence.ONLINE, "n2"))
    assert take(session, state(Presence.LOST, "n1")).refused == {"stale": 1}
    assert (unit.status, unit.nonce) == ("online", "n2")
    take(session, state(Presence.LOST, "n2"))
    assert unit.status == "lost"


def test_what_the_broker_kept_is_not_a_sign_of_life(session: Session) -> None:
    take(session, state(Presence.ONLINE, "n1"), now=NOW + timedelta(days=3), retained=True)
    assert session.get_one(Unit, UNIT).last_seen == NOW


def test_the_newest_measurement_counts(session: Session) -> None:
    unit = session.get_one(Unit, UNIT)
    unit.status = "silent"
    told = take(session, health(5), health(4), health(5), health(1, boot="b2"))
    assert told.refused == {"stale": 2}
    assert unit.status == "online"
    assert session.get_one(Newest, (UNIT, "health")).document["boot_id"] == "b2"
    assert session.scalar(select(func.count()).select_from(HealthRow)) == 2


def test_the_newest_verdict_is_the_readiness(session: Session) -> None:
    def verdict(seq: int, minute: int, word: str) -> Event:
        at = NOW + timedelta(minutes=minute)
        return event(seq, EventKind.VERDICT, at=at, data={"verdict": word})

    take(session, verdict(1, 5, "ready"), verdict(2, 1, "not_ready"))
    assert session.get_one(Newest, (UNIT, "verdict")).document["verdict"] == "ready"


def test_a_unit_nobody_has_bound_is_noted(session: Session) -> None:
    take(session, State(unit="u9", status=Presence.ONLINE, boot_id="b", nonce="n", version="1", at=NOW))
    assert session.get_one(Unit, "u9").site_id is None


def test_sessions_are_handed_on(session: Session) -> None:
    told = take(session, ReportedSession(unit=UNIT, meeting="m", at=NOW))
    assert ("session", {"unit": UNIT, "meeting": "m"}) in told.news


def test_a_unit_ahead_of_this_database_is_overtaken(session: Session) -> None:
    (letter,) = renew_schedule(session, Settings(), NOW)
    assert letter.message.rev == 1  # type: ignore[attr-defined]
    told = ingest(
        session,
        [Taken(Channel.REPORTED_SCHEDULE, Reported(unit=UNIT, rev=7, epoch=1, at=NOW))],
        NOW,
    )
    assert [one.message.rev for one in told.letters] == [8]  # type: ignore[attr-defined]
    assert session.get_one(Desired, (UNIT, "desired/schedule")).rev == 8
    assert renew_schedule(session, Settings(), NOW) == []


def test_nothing_is_told_twice(session: Session) -> None:
    assert len(renew_schedule(session, Settings(), NOW)) == 1
    assert renew_schedule(session, Settings(), NOW + timedelta(minutes=5)) == []


def test_a_gap_from_before_a_restore_blocks_nothing_and_is_written_down(session: Session) -> None:
    """The unit emptied its outbox on receipts of the lost controller: 3 to 6 never come again."""
    assert receipt(take(session, event(1), event(2))) == 2
    session.get_one(Stream, (UNIT, "s")).restored = True
    assert receipt(take(session, event(7), event(8))) == 2, "perhaps they are only late"
    assert receipt(take(session, event(7), event(8), now=NOW + timedelta(seconds=10))) == 8
    (row,) = session.scalars(select(AuditRow))
    assert (row.action, row.subject) == ("installation.gap", f"unit:{UNIT}")
    assert row.after == {"stream": "s", "first": 3, "last": 6}
    assert receipt(take(session, event(10), now=NOW + timedelta(minutes=1))) == 8, "a gap of its own"
    assert receipt(take(session, event(9), now=NOW + timedelta(minutes=2))) == 10


def test_a_restore_without_a_gap_leaves_no_trace(session: Session) -> None:
    take(session, event(1))
    session.get_one(Stream, (UNIT, "s")).restored = True
    assert receipt(take(session, event(2))) == 2
    assert not session.get_one(Stream, (UNIT, "s")).restored
    assert session.scalars(select(AuditRow)).all() == []
