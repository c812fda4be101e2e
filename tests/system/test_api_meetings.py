"""The API and meetings over a real database: schedule, floor, the end and its report."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.refresh_horizon import refresh_horizon
from diemcau_controller.actions.sweep import drop_old_history, finish_meetings, sweep_presence
from diemcau_controller.actions.write_report import write_due_reports
from diemcau_controller.store.tables import HealthRow
from diemcau_controller.web.report import report_file
from diemcau_wire.messages import (
    DesiredSchedule,
    EventKind,
    Floor,
    Presence,
    State,
)
from sqlalchemy import func, select

from tests.system.office import SPARE, UNIT, Office, event, furnished, meeting


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path / "state") as made:
        yield made


# ── meetings ─────────────────────────────────────────────────────────────────────────────────────


def test_a_meeting_is_told_with_its_way_in(office: Office) -> None:
    office.post.letters.clear()
    made = meeting(office)
    (schedule,) = office.post.take(DesiredSchedule)
    (told,) = schedule.meetings
    info = office.get(f"meetings/{made}/join-info")
    assert (told.id, told.join.room, told.join.pin) == (f"{made}-20260302T083000", info["room"], info["pin"])
    assert info["url"].startswith("wss://192.0.2.1:8989/janus?ticket=")
    assert info["expires_at"] == "2026-03-02T03:00:00Z"
    assert told.main_site == "huyen" and told.main_site_name == "Huyện ủy – UBND"
    assert info["sites"] == ["huyen", "ea-kiet"]
    assert not any(
        secret in office.http.get("/api/v1/meetings").text for secret in (info["pin"], info["room"])
    )


@pytest.mark.parametrize(
    ("status", "more", "word"),
    [
        (422, {"starts_at": "2026-03-02T07:00"}, "in the past"),
        (422, {"duration_s": -5}, "ends before it starts"),
        (422, {"duration_s": None, "ends_at": "2026-03-02T08:00"}, "ends before it starts"),
        (422, {"ends_at": "2026-03-02T09:00"}, "either ends_at or duration_s"),
        (422, {"duration_s": None}, "either ends_at or duration_s"),
        (422, {"main_site": "nowhere"}, "unknown site nowhere"),
        (422, {"sites": ["nowhere", "ea-kiet"]}, "unknown site nowhere"),
        (422, {"rrule": "FREQ=SOMETIMES"}, "repeat rule"),
        (422, {"starts_at": "soon"}, "starts_at"),
        (422, {"title": ""}, "title"),
        (409, {}, "sites ea-kiet, huyen are already in the meeting “Giao ban” that starts 2026-03-02 08:30"),
        (409, {"main_site": "ea-kiet", "sites": []}, "site ea-kiet is already"),
        (409, {"rrule": "FREQ=DAILY", "starts_at": "2026-03-02T09:29"}, "are already"),
    ],
)
def test_meetings_that_cannot_be(office: Office, status: int, more: dict[str, Any], word: str) -> None:
    meeting(office)
    body = {"title": "Họp", "starts_at": "2026-03-02T08:30", "duration_s": 600, "main_site": "huyen", **more}
    assert word in office.refused(status, "meetings", **body)
    assert len(office.get("meetings")) == 1


def test_garbage_bodies(office: Office) -> None:
    for data in (b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff", b'{"title": NaN}'):
        answer = office.http.post(
            "/api/v1/meetings", content=data, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 422), data[:20]
        assert answer.json()["detail"]


def test_a_closed_meeting_makes_room(office: Office) -> None:
    made = meeting(office)
    office.add(f"meetings/{made}/close")
    office.add(f"meetings/{made}/close")
    assert meeting(office, title="Họp khẩn")


def test_the_horizon_moves_on(office: Office) -> None:
    made = meeting(office, rrule="FREQ=WEEKLY;BYDAY=MO")
    assert len(office.get(f"meetings/{made}")["sites"]) == 2
    (found,) = office.get("meetings")
    assert len(found["occurrences"]) == 5
    rooms = {office.get(f"meetings/{one['id']}/join-info")["room"] for one in found["occurrences"]}
    assert len(rooms) == 5
    office.later(days=7)
    office.post.letters.clear()
    asyncio.run(refresh_horizon(office.controller))
    (schedule,) = office.post.take(DesiredSchedule)
    assert [f"{one.starts_at:%m-%d}" for one in schedule.meetings] == [
        "03-09", "03-16", "03-23", "03-30", "04-06",
    ]  # fmt: skip
    phones = [one.phone is not None for one in schedule.meetings]
    assert phones == [True, False, False, False, False], (
        "the address of the hall's page comes when it is near"
    )
    asyncio.run(refresh_horizon(office.controller))
    assert office.post.take(DesiredSchedule) == []


def test_a_schedule_too_large_for_a_message_has_the_nearest(office: Office) -> None:
    for hour in range(0, 24, 6):
        starts = f"2026-03-03T{hour:02}:00"
        meeting(office, title="Ă" * 200, starts_at=starts, rrule="FREQ=DAILY", duration_s=600)
    schedule = office.post.take(DesiredSchedule)[-1]
    assert 30 < len(schedule.meetings) < 120
    assert schedule.until > schedule.meetings[-1].starts_at
    assert schedule.until < office.time + timedelta(days=30)


def test_calling_off(office: Office) -> None:
    made = meeting(office, rrule="FREQ=WEEKLY;BYDAY=MO")
    assert office.http.delete(f"/api/v1/meetings/{made}").status_code == 204
    schedule = office.post.take(DesiredSchedule)[-1]
    assert all(one.closed for one in schedule.meetings)
    assert meeting(office)
    office.refused(404, "meetings/nowhere", method="DELETE")


# ── the floor ────────────────────────────────────────────────────────────────────────────────────


def test_the_floor(office: Office) -> None:
    made = meeting(office)
    path = f"meetings/{made}/floor"
    assert "not open yet" in office.refused(409, path, verb="mute-all")
    office.later(minutes=20)
    office.post.letters.clear()
    assert office.add(path, verb="grant", site="ea-kiet")["speakers"] == ["ea-kiet"]
    (told,) = office.post.take(Floor)
    assert (told.unit, told.seq, told.speakers) == (UNIT, 1, ["ea-kiet"])
    assert told.names == {"ea-kiet": "Xã Ea Kiết"}
    assert office.add(path, verb="grant", site="huyen", add=True)["speakers"] == ["ea-kiet", "huyen"]
    assert office.add(path, verb="end", site="ea-kiet")["speakers"] == ["huyen"]
    silent = {"seq": 4, "speakers": [], "open_discussion": False}
    assert office.add(path, verb="mute-all") == silent
    office.refused(422, path, verb="grant")
    office.refused(422, path, verb="grant", site="nowhere")
    office.refused(422, path, verb="shout")
    office.refused(404, "meetings/nowhere/floor", verb="mute-all")
    office.add(f"meetings/{made}/close")
    assert "is over" in office.refused(409, path, verb="mute-all")


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


def pass_time(office: Office) -> None:
    asyncio.run(finish_meetings(office.controller))
    asyncio.run(write_due_reports(office.controller, lambda r: report_file(office.controller, r)))


def test_the_report(office: Office) -> None:
    made = meeting(office)
    occurrence = f"{made}-20260302T083000"
    office.later(minutes=30)
    office.hear(event(office, 1, EventKind.JOINED, occurrence))
    office.later(minutes=10)
    office.hear(event(office, 2, EventKind.DROPPED, occurrence))
    office.later(minutes=1)
    office.hear(event(office, 3, EventKind.REJOINED, occurrence))
    view = office.get(f"meetings/{made}")
    assert {one["site"]: one["present"] for one in view["attendance"]} == {"huyen": False, "ea-kiet": True}
    office.later(minutes=19)
    office.add(f"meetings/{made}/close")
    pass_time(office)
    assert office.get(f"meetings/{occurrence}/report")["files"] is None, "the last words are awaited"
    office.hear(event(office, 4, EventKind.LEFT, occurrence))
    office.later(seconds=5)
    pass_time(office)
    report = office.get(f"meetings/{occurrence}/report")
    site = report["sites"][1]
    assert (site["id"], site["joined"], site["left"], site["drop_outs"]) == ("ea-kiet", True, True, 1)
    assert site["present_s"] == 29 * 60 and report["final"] and not report["sites"][0]["joined"]
    page = Path(report["files"]["html"]).read_text()
    assert "Xã Ea Kiết" in page and "không kết nối" in page and "<style>" in page and "http" not in page
    written = Path(report["files"]["json"]).stat().st_mtime_ns
    pass_time(office)
    assert Path(report["files"]["json"]).stat().st_mtime_ns == written


def test_what_comes_to_light_later_is_reported_too(office: Office) -> None:
    made = meeting(office)
    occurrence = f"{made}-20260302T083000"
    office.later(hours=3)
    pass_time(office)
    office.later(seconds=5)
    pass_time(office)
    assert not office.get(f"meetings/{occurrence}/report")["sites"][1]["joined"]
    office.hear(event(office, 1, EventKind.JOINED, occurrence), event(office, 2, EventKind.LEFT, occurrence))
    pass_time(office)
    report = office.get(f"meetings/{occurrence}/report")
    assert report["sites"][1]["joined"] and '"joined": true' in Path(report["files"]["json"]).read_text()


def test_a_meeting_is_over_when_everybody_has_gone_home(office: Office) -> None:
    made = meeting(office)
    occurrence = f"{made}-20260302T083000"
    office.add("units", id=SPARE, site="huyen")
    office.later(minutes=30)
    for site in ("huyen", "ea-kiet"):
        office.hear(event(office, 1, EventKind.JOINED, occurrence, site))
    office.later(minutes=65)
    office.hear(event(office, 2, EventKind.LEFT, occurrence))
    pass_time(office)
    assert office.get(f"meetings/{occurrence}")["finished_at"] is None, "the main site is still there"
    office.hear(event(office, 2, EventKind.LEFT, occurrence, "huyen"))
    pass_time(office)
    assert office.get(f"meetings/{occurrence}")["finished_at"] is not None


def test_silence_and_old_history(office: Office) -> None:
    office.hear(State(unit=UNIT, status=Presence.ONLINE, boot_id="b", nonce="n", version="1", at=office.time))
    since = office.time
    office.later(seconds=31)
    asyncio.run(sweep_presence(office.controller, since))
    assert office.get("sites/ea-kiet")["state"] == "silent"
    office.writer.submit(
        lambda session: session.add(HealthRow(unit=UNIT, at=office.time, document={})), urgent=True
    ).result()
    office.later(days=6)
    asyncio.run(drop_old_history(office.controller))
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(HealthRow)) == 1
    office.later(days=2)
    asyncio.run(drop_old_history(office.controller))
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(HealthRow)) == 0
