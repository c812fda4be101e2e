"""Reports, people and months by API, over a real database."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.compose_report import lines_of
from diemcau_controller.actions.sweep import finish_meetings
from diemcau_controller.actions.write_report import write_due_reports
from diemcau_controller.store.tables import Attendee, AuditRow, Hand, HealthRow, Occurrence
from diemcau_wire.messages import EventKind, Health
from sqlalchemy import select

from tests.system.office import SPARE, UNIT, Office, event, furnished, meeting


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path / "state") as made:
        made.add("units", id=SPARE, site="huyen")
        yield made


def occurrence_of(office: Office, announced: str) -> str:
    return str(office.get(f"meetings/{announced}")["id"])


def health(office: Office, seq: int, rtt_ms: float | None) -> Health:
    return Health(
        unit=UNIT,
        boot_id="b",
        seq=seq,
        at=office.time,
        interval_s=10,
        cpu_percent=1,
        memory_percent=1,
        disk_free_bytes=1,
        uptime_s=1,
        link_rtt_ms=rtt_ms,
    )


def hold(office: Office, title: str = "Giao ban", **more: Any) -> str:
    """A meeting of 20 minutes: ea-kiet drops out once and speaks twice, the main site leaves last."""
    occurrence = occurrence_of(office, meeting(office, title=title, **more))
    office.later(minutes=30)
    seq = iter(range(1 + 100 * hash_of(occurrence), 10**9))

    def say(kind: EventKind, site: str = "ea-kiet", **later: float) -> None:
        office.later(**later)
        office.hear(event(office, next(seq), kind, occurrence, site))

    say(EventKind.JOINED, "huyen")
    say(EventKind.JOINED)
    for number, rtt in enumerate((10, 12, 14, 200, None)):
        office.later(seconds=10)
        office.hear(health(office, 100 * hash_of(occurrence) + number, rtt))
    say(EventKind.FLOOR_TAKEN, minutes=1)
    say(EventKind.FLOOR_LEFT, seconds=45)
    say(EventKind.DROPPED, minutes=5)
    say(EventKind.REJOINED, minutes=2)
    say(EventKind.FLOOR_TAKEN, minutes=1)
    say(EventKind.LEFT, minutes=10)
    say(EventKind.LEFT, "huyen")
    office.add(f"meetings/{occurrence}/close")
    office.later(minutes=1)
    asyncio.run(finish_meetings(office.controller))
    asyncio.run(write_due_reports(office.controller, lambda report: f"<p>{report['title']}</p>"))
    return occurrence


def hash_of(occurrence: str) -> int:
    return sum(occurrence.encode())


def test_the_report_tells_what_happened(office: Office) -> None:
    occurrence = hold(office)
    report = office.get(f"meetings/{occurrence}/report")
    site = next(one for one in report["sites"] if one["id"] == "ea-kiet")
    assert site["drop_outs"] == 1 and site["floor_taken"] == 2 and site["present_s"] == pytest.approx(1115)
    assert site["line"] == {"median_ms": 13.0, "p95_ms": 200.0, "samples": 4}
    assert [(turn["site"], turn["seconds"]) for turn in report["floor_turns"]] == [
        ("ea-kiet", 45.0),
        ("ea-kiet", 600.0),
    ]
    assert site["floor_s"] == 645.0 and report["final"]
    assert Path(report["files"]["html"]).read_text() == "<p>Giao ban</p>"


def test_the_line_is_measured_once_and_kept(office: Office) -> None:
    occurrence = hold(office)
    with office.database.session() as session:
        row = session.get_one(Occurrence, occurrence)
        measured = lines_of(session, row, office.time)
        for one in session.scalars(select(HealthRow)):
            session.delete(one)
        session.commit()
        assert lines_of(session, row, office.time) == measured != {}


def test_people(office: Office) -> None:
    occurrence = hold(office)
    name = unicodedata.normalize("NFD", "Nguyễn Thị Hường")
    people = f"meetings/{occurrence}/attendees"
    added = office.add(people, site="ea-kiet", name=name, position="Chủ tịch UBND")
    assert added["name"] == unicodedata.normalize("NFC", name) and added["status"] == "present"
    assert "stands_for" in office.refused(422, people, site="ea-kiet", name="A", status="substitute")
    office.add(people, site="ea-kiet", name="Y Bhăm", status="substitute", stands_for="H'Lan")
    office.refused(404, people, site="nowhere", name="A")
    office.refused(422, people, site="ea-kiet", name=" ")
    office.refused(422, people, site="ea-kiet", name="A", status="late")
    office.refused(422, people, site="ea-kiet", name="x" * 121)
    changed = office.http.patch(
        f"/api/v1/attendees/{added['id']}", json={"status": "excused", "reason": "đi tập huấn"}
    ).json()
    assert changed["status"] == "excused" and changed["position"] == "Chủ tịch UBND"
    report = office.get(f"meetings/{occurrence}/report")
    assert report["people_totals"] == {"present": 0, "substitute": 1, "excused": 1, "absent": 0}
    assert office.http.delete(f"/api/v1/attendees/{added['id']}").status_code == 204
    assert office.http.delete(f"/api/v1/attendees/{added['id']}").status_code == 404
    assert len(office.get(f"{people}?site=ea-kiet")) == 1 and office.get(f"{people}?site=huyen") == []
    with office.database.read() as session:
        done = session.scalars(select(AuditRow.action).where(AuditRow.action.startswith("attendee."))).all()
    assert done == ["attendee.add", "attendee.add", "attendee.change", "attendee.remove"]


def test_a_hall_holds_two_hundred(office: Office) -> None:
    occurrence = occurrence_of(office, meeting(office))
    with office.database.session() as session:
        session.add_all(
            Attendee(
                id=f"p{number}",
                occurrence_id=occurrence,
                site_id="ea-kiet",
                name=f"Người {number}",
                status="present",
                entered_at=office.time,
            )
            for number in range(199)
        )
        session.commit()
    office.add(f"meetings/{occurrence}/attendees", site="ea-kiet", name="Người thứ 200")
    office.refused(409, f"meetings/{occurrence}/attendees", site="ea-kiet", name="Một người nữa")
    office.add(f"meetings/{occurrence}/attendees", site="huyen", name="Ở điểm cầu khác")


def test_a_correction_is_written_into_the_report(office: Office) -> None:
    occurrence = hold(office)
    put = office.http.put(f"/api/v1/meetings/{occurrence}/notes/ea-kiet", json={"text": " mất điện 15 phút "})
    assert put.status_code == 204
    assert office.get(f"meetings/{occurrence}/report")["files"] is None, "due again"
    asyncio.run(write_due_reports(office.controller, lambda report: report["sites"][1]["note"]))
    report = office.get(f"meetings/{occurrence}/report")
    assert Path(report["files"]["html"]).read_text() == "mất điện 15 phút"
    office.http.put(f"/api/v1/meetings/{occurrence}/notes/ea-kiet", json={"text": ""})
    assert [site["note"] for site in office.get(f"meetings/{occurrence}/report")["sites"]] == ["", ""]


def test_hands_are_in_the_report(office: Office) -> None:
    occurrence = hold(office)
    with office.database.session() as session:
        session.add(
            Hand(
                occurrence_id=occurrence,
                site_id="ea-kiet",
                text="Kinh phí kênh mương?",
                raised_at=office.time,
                ended_at=office.time,
                ended="granted",
            )
        )
        session.commit()
    [hand] = office.get(f"meetings/{occurrence}/report")["hands"]
    assert hand["text"] == "Kinh phí kênh mương?" and hand["ended"] == "granted"


def test_a_month(office: Office) -> None:
    hold(office, "Giao ban tuần")
    hold(office, "Tập huấn an toàn", starts_at="2026-03-02T09:25")
    held = office.get("reports?month=2026-03")
    assert [one["title"] for one in held] == ["Tập huấn an toàn", "Giao ban tuần"]
    assert held[0]["attended"] == held[0]["sites"] == 2
    assert [one["title"] for one in office.get("reports?month=2026-03&q=tap huan")] == ["Tập huấn an toàn"]
    assert office.get("reports?month=2026-02") == []
    totals = {one["site"]: one for one in office.get("reports/sites?month=2026-03")}
    assert totals["ea-kiet"]["meetings"] == 2 and totals["ea-kiet"]["absent"] == 0
    assert totals["ea-kiet"]["drop_outs"] == 2 and totals["ea-kiet"]["present_s"] == 2230
    office.refused(422, "reports?month=hôm nay", method="GET")


def test_whoever_is_bound_to_an_area_sees_that_area(office: Office) -> None:
    occurrence = hold(office)
    office.add("users", name="lan", role="secretary", area="xa-ea-kiet")
    office.http.headers["Authorization"] = f"Bearer {office.add('users/lan/token')['token']}"
    report = office.get(f"meetings/{occurrence}/report")
    assert [site["id"] for site in report["sites"]] == ["ea-kiet"] and report["files"] is None
    assert [one["site"] for one in office.get("reports/sites?month=2026-03")] == ["ea-kiet"]
    assert office.get("reports?month=2026-03")[0]["sites"] == 1
    office.add(f"meetings/{occurrence}/attendees", site="ea-kiet", name="Của mình")
    office.refused(404, f"meetings/{occurrence}/attendees", site="huyen", name="Của người khác")
