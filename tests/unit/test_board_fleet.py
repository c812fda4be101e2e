"""The fleet in memory: what is committed is seen by the next who looks, whoever changed it and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.fleet import FleetView, read_sites
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_controller.rules.actor import Actor, Role
from diemcau_controller.store.tables import Area, Binding, Site, Unit
from diemcau_controller.store.writer import Writer
from diemcau_wire.topics import Channel
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from tests.empty_database import empty_database
from tests.system.big_fleet import fill, health, unit_id, verdict

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
COUNT = 12


class Kept:
    """A filled database with its writer, the fleet kept of it, and how many statements were read."""

    def __init__(self, folder: Path) -> None:
        self.database = empty_database(folder / "controller.sqlite", folder / "health.sqlite")
        self.sites = fill(self.database, COUNT, NOW)
        self.writer = Writer(self.database)
        self.fleet = FleetView(self.database)
        self.writer.after_commit.append(self.fleet.note)
        self.writer.start()
        self.fleet.now()
        self.statements = 0
        event.listen(self.database._controller, "before_cursor_execute", self._count)

    def _count(self, *ignored: Any) -> None:
        self.statements += 1

    def change(self, work: Callable[[Session], Any]) -> None:
        self.writer.submit(work, urgent=True).result(5)
        self.statements = 0

    def close(self) -> None:
        self.writer.stop()
        self.database.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    made.close()


def test_at_rest_nothing_is_read(kept: Kept) -> None:
    before = kept.fleet.now()
    kept.statements = 0
    assert kept.fleet.now() is before and kept.statements == 0
    assert len(before.sites) == COUNT and [site.id for site in before.sites] != sorted(kept.sites)


def test_what_a_unit_says_is_seen(kept: Kept) -> None:
    batch = [
        Taken(Channel.HEALTH, health(3, 2, NOW, line_ms=600)),
        Taken(Channel.EVENT, verdict(3, 2, NOW, "not_ready", "camera_missing")),
    ]
    kept.change(lambda session: ingest(session, batch, NOW))
    others = {site.id: site for site in kept.fleet._fleet.sites}
    site = kept.fleet.now().by_id["s00003"]
    assert (site.state, site.line, site.rtt_ms, site.instruction) == (
        "not_ready",
        "poor",
        600,
        "camera_missing",
    )
    assert kept.statements < 8, "only that site is read"
    assert kept.fleet.now().by_id["s00004"] is others["s00004"]


@pytest.mark.parametrize(
    ("work", "seen"),
    [
        (lambda s: setattr(s.get(Site, "s00001"), "name", "Xã Mới"), "Xã Mới"),
        (lambda s: s.execute(update(Site).where(Site.id == "s00001").values(name="Xã Mới")), "Xã Mới"),
    ],
)
def test_a_name_however_it_is_changed(kept: Kept, work: Callable[[Session], Any], seen: str) -> None:
    kept.change(work)
    assert kept.fleet.now().by_id["s00001"].name == seen


def test_a_new_site_a_moved_unit_and_a_removed_site(kept: Kept) -> None:
    def change(session: Session) -> None:
        session.add(Site(id="new", name="Á mới", epoch=1))
        session.flush()
        session.get_one(Unit, unit_id(0)).site_id = "new"
        session.add(Binding(site_id="new", epoch=1, unit_id=unit_id(0), bound_at=NOW))
        session.get_one(Site, "s00002").removed_at = NOW

    kept.change(change)
    fleet = kept.fleet.now()
    assert fleet.by_unit[unit_id(0)].id == "new" and fleet.by_id["s00000"].state == "no_unit"
    assert "s00002" not in {site.id for site in fleet.sites} and "s00002" in fleet.by_id
    assert len(fleet.sites) == COUNT


def test_a_renamed_area_is_found_by_its_new_name(kept: Kept) -> None:
    kept.change(lambda session: setattr(session.get(Area, "thanh-pho-ha-noi"), "name", "Thủ đô"))
    assert all("thu do" in site.search for site in kept.fleet.now().sites)


def test_a_failed_change_changes_nothing(kept: Kept) -> None:
    def change(session: Session) -> None:
        session.get_one(Site, "s00001").name = "Xã Mới"
        session.flush()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.change(change)
    assert kept.fleet.now().by_id["s00001"].name != "Xã Mới"


def test_the_picture_kept_is_what_the_database_says(kept: Kept) -> None:
    """Many threads change and look; in the end memory and database say the same."""

    def work(number: int) -> None:
        for seq in range(2, 22):
            taken = [Taken(Channel.HEALTH, health(number, seq, NOW, line_ms=10 * seq))]
            kept.writer.submit(lambda session, taken=taken: ingest(session, taken, NOW), urgent=True).result(
                5
            )
            site = kept.fleet.now().by_id[f"s{number:05d}"]
            assert site.newest[Channel.HEALTH]["seq"] == seq, "whoever waited for a commit sees it"

    numbers = [number for number in range(COUNT) if unit_id(number) in kept.fleet.now().by_unit][:4]
    with ThreadPoolExecutor() as pool:
        list(pool.map(work, numbers, timeout=30))
    with kept.database.read() as session:
        fresh = read_sites(session)
    known = kept.fleet.now().sites
    assert [(s.id, s.state, s.newest, s.revisions) for s in known] == [
        (s.id, s.state, s.newest, s.revisions) for s in fresh
    ]


def test_scope(kept: Kept) -> None:
    bound = Actor("lan", Role.VIEWER, frozenset({"s00003", "s00005"}))
    assert {site.id for site in kept.fleet.now().of(bound)} == {"s00003", "s00005"}


def test_a_database_that_cannot_be_read_is_read_later(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.change(lambda session: setattr(session.get(Site, "s00001"), "name", "Xã Mới"))
    with monkeypatch.context() as broken:
        broken.setattr(kept.database, "read", lambda: (_ for _ in ()).throw(OSError("disk")))
        with pytest.raises(OSError, match="disk"):
            kept.fleet.now()
    assert kept.fleet.now().by_id["s00001"].name == "Xã Mới"
