"""Fifty halls, fifty copies of their disks: each is flagged within a minute, and nobody is shut out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_controller.store.tables import Site, Unit
from diemcau_wire import Channel
from diemcau_wire.messages import Health, Message, Presence, State
from sqlalchemy.orm import Session

from tests.system.office import Office

COUNT = 50


class Box:
    """A machine with a unit's disk in it. Both boxes of a pair stay connected: a broker's client id is chosen
    anew at each connection."""

    def __init__(self, office: Office, unit: str, name: str, count: int) -> None:
        self.office, self.unit, self.name, self.count, self.seq = office, unit, name, count, 0

    def connects(self) -> Message:
        self.count += 1
        return State(
            unit=self.unit,
            status=Presence.ONLINE,
            boot_id=self.name,
            nonce=f"{self.name}-{self.count}",
            version="1",
            join_count=self.count,
            media=f"disk-{self.name}",
            box=f"box-{self.name}",
            at=self.office.time,
        )

    def measures(self) -> Message:
        self.seq += 1
        return Health(
            unit=self.unit,
            boot_id=self.name,
            seq=self.seq,
            at=self.office.time,
            interval_s=10,
            cpu_percent=1,
            memory_percent=1,
            disk_free_bytes=1,
            uptime_s=1,
        )


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("copies") / "state")

    def fill(session: Session) -> None:
        for number in range(COUNT + 1):
            session.add(Site(id=f"x{number}", name=f"Xã {number}", epoch=1))
            session.flush()
            session.add(Unit(id=f"u{number:012x}", site_id=f"x{number}", epoch=1))

    made.writer.submit(fill, urgent=True).result()
    yield made
    made.close()


def hear(office: Office, messages: list[Message]) -> None:
    channels = {State: Channel.STATE, Health: Channel.HEALTH}
    batch = [Taken(channels[type(one)], one) for one in messages]
    office.writer.submit(lambda session: ingest(session, batch, office.time), urgent=True).result()


def test_fifty_copies_are_flagged_within_a_minute(office: Office) -> None:
    units = [f"u{number:012x}" for number in range(COUNT)]
    originals = [Box(office, unit, "a", 7) for unit in units]
    hear(office, [box.connects() for box in originals])
    for _ in range(3):
        office.later(seconds=10)
        hear(office, [box.measures() for box in originals])
    assert office.get("clones") == []

    copies = [Box(office, unit, "b", box.count) for unit, box in zip(units, originals, strict=True)]
    began = office.time
    hear(office, [box.connects() for box in copies])
    while len(office.get("clones")) < COUNT and (office.time - began).total_seconds() < 60:
        office.later(seconds=10)
        hear(office, [box.measures() for box in (*originals, *copies)])
    took = (office.time - began).total_seconds()
    print(f"{COUNT} copies flagged {took:.0f} s after they were switched on")
    found = office.get("clones")
    assert {one["unit"] for one in found} == set(units) and took <= 20
    assert all({boot["boot"] for boot in one["boots"]} == {"a", "b"} for one in found)
    with office.database.read() as session:
        for unit in units:
            row = session.get_one(Unit, unit)
            assert row.site_id is not None and row.ended is None, "neither is shut out unasked"

    mistaken, anew = found[0], found[1]
    for case, verdict in ((mistaken, "mistaken"), (anew, "enrol_anew")):
        path = f"/api/v1/clones/{case['number']}/decide"
        assert office.http.post(path, json={"verdict": verdict}).status_code == 204
        assert office.http.post(path, json={"verdict": verdict}).status_code == 204
        other = "mistaken" if verdict == "enrol_anew" else "enrol_anew"
        assert office.http.post(path, json={"verdict": other}).json()["code"] == "clones.decided"
    with office.database.read() as session:
        assert session.get_one(Unit, mistaken["unit"]).ended is None
        assert session.get_one(Unit, anew["unit"]).ended == "revoked"
    office.later(seconds=10)
    hear(office, [box.measures() for box in (*originals, *copies)])
    again = {one["unit"] for one in office.get("clones")} - {one["unit"] for one in found[2:]}
    assert again <= {mistaken["unit"]}, "what was decided as ended is not asked again"


def test_a_unit_that_starts_anew_is_no_copy(office: Office) -> None:
    first = Box(office, f"u{COUNT:012x}", "a", 3)
    hear(office, [first.connects(), first.measures()])
    office.later(seconds=30)
    second = Box(office, first.unit, "a2", first.count)
    hear(office, [second.connects()])
    office.later(seconds=1)
    hear(office, [first.measures()])  # the last word of the former start, late
    office.later(seconds=10)
    hear(office, [second.measures()])
    assert first.unit not in {one["unit"] for one in office.get("clones")}


def test_a_card_in_another_box_is_shown_and_nobody_is_asked(office: Office) -> None:
    first = Box(office, f"u{COUNT:012x}", "c", 50)
    hear(office, [first.connects()])
    office.later(seconds=30)
    hear(office, [Box(office, first.unit, "d", first.count).connects()])
    office.nobody.get(f"/?token={office.token}")
    page = office.nobody.get(f"/units/{first.unit}").text
    assert "Thẻ nhớ hoặc ổ đĩa của máy này được cắm vào một máy khác" in page
    assert first.unit not in {one["unit"] for one in office.get("clones")}
