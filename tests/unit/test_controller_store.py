"""The one writer and the two files, on real SQLite."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from concurrent.futures import wait
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from diemcau_controller.store.database import Database, upgrade
from diemcau_controller.store.tables import Area, Base, HealthBase, HealthRow, Rollout, RolloutUnit, Site
from diemcau_controller.store.writer import QUEUE_ITEMS, Writer, WriterBusy
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "controller.sqlite", tmp_path / "health.sqlite")
    yield made
    made.close()


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    made = Writer(database)
    made.start()
    yield made
    made.stop()


def add(site: str) -> object:
    def change(session: Session) -> str:
        session.add(Site(id=site, name=site))
        return site

    return change


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Site)) or 0


def test_a_result_comes_after_the_commit(database: Database, writer: Writer) -> None:
    async def scenario() -> None:
        assert await writer.write(add("a")) == "a"  # type: ignore[arg-type]
        assert count(database) == 1

    asyncio.run(scenario())


def test_one_that_fails_does_not_poison_the_batch(database: Database, writer: Writer) -> None:
    changes = [add("a"), add("b"), add("a"), add("c")]
    futures = [writer.submit(change) for change in changes]  # type: ignore[arg-type,var-annotated]
    wait(futures, 5)
    assert [future.exception() is None for future in futures] == [True, True, False, True]
    assert count(database) == 3


def test_many_changes_make_few_transactions(database: Database, writer: Writer) -> None:
    seen = set()

    def change(session: Session) -> None:
        seen.add(id(session))
        session.add(HealthRow(unit="u1", at=datetime.now(UTC), document={}))

    wait([writer.submit(change) for _ in range(2000)], 20)
    assert len(seen) < 20
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(HealthRow)) == 2000


def test_a_failed_commit_fails_the_batch_and_the_writer_goes_on(database: Database, writer: Writer) -> None:
    def foreign(session: Session) -> None:
        session.add(Area(id="x", name="x", tier="x", parent_id="nowhere"))

    assert writer.submit(foreign).exception(5) is not None
    assert writer.submit(add("a")).result(5) == "a"  # type: ignore[arg-type]


def test_the_queue_is_bounded(database: Database) -> None:
    stalled = Writer(database)
    for _ in range(QUEUE_ITEMS):
        stalled.submit(lambda session: None)
    with pytest.raises(WriterBusy):
        stalled.submit(lambda session: None)


def test_a_naive_time_is_refused(writer: Writer) -> None:
    def change(session: Session) -> None:
        session.add(HealthRow(unit="u1", at=datetime(2026, 1, 1), document={}))  # noqa: DTZ001

    assert "naive" in str(writer.submit(change).exception(5))


def test_migrations_lead_to_the_tables(database: Database, tmp_path: Path) -> None:
    for engine, metadata in (
        (database._controller, Base.metadata),
        (database._health, HealthBase.metadata),
    ):
        with engine.connect() as connection, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*expression-based index")
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    Database(tmp_path / "controller.sqlite", tmp_path / "health.sqlite").close()  # again: nothing to do


def test_a_database_of_the_first_version_keeps_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "controller.sqlite"
    first = create_engine(f"sqlite:///{path}")
    upgrade(first, "controller", "0001")
    with first.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        for statement in (
            "INSERT INTO site VALUES ('an', 'An', NULL, 1, 'Y Bhin', '0905', 'none', 'none', 'none', "
            "1280, 720, 30, 2000000, 1280, 720, 'vi', 3)",
            "INSERT INTO unit (id, site_id, epoch, status) VALUES ('u1', 'an', 3, 'never')",
        ):
            connection.exec_driver_sql(statement)
    first.dispose()
    database = Database(path, tmp_path / "health.sqlite")
    with database.read() as session:
        site = session.get_one(Site, "an")
        assert site.contacts == [{"name": "Y Bhin", "phone": "0905", "task": ""}]
        assert site.unit is not None and site.unit.id == "u1" and site.epoch == 3
    database.close()


def test_of_two_live_rollouts_of_before_the_newest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "controller.sqlite"
    former = create_engine(f"sqlite:///{path}")
    upgrade(former, "controller", "0005")
    with former.begin() as connection:
        for number, state in enumerate(("done", "rolling_back", "running")):
            connection.exec_driver_sql(
                "INSERT INTO rollout VALUES (?, '1.0.0', ?, '', 'all', 5, 5, 0, 1, 0, 'an', ?, NULL, NULL)",
                (f"r{number}", state, f"2026-03-0{number + 1} 08:00:00"),
            )
            connection.exec_driver_sql(
                "INSERT INTO rollout_unit (rollout_id, unit_id, site_id, ring, state, why, since, wave, "
                "tries, from_version, proof, faults, accepted, task, tail) VALUES "
                "(?, 'u', 'an', 'all', 'waiting', '', '2026-03-01', 0, 0, '', '', '[]', 0, '', '[]')",
                (f"r{number}",),
            )
    former.dispose()
    database = Database(path, tmp_path / "health.sqlite")
    with database.read() as session:
        assert [row.state for row in session.scalars(select(Rollout))] == ["done", "stopped", "running"]
        assert [row.state for row in session.scalars(select(RolloutUnit))] == [
            "waiting",
            "skipped",
            "waiting",
        ]
    database.close()
