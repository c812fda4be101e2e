"""The API and the schedule: changing what was announced, single dates, the gate, conflicts, documents."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.refresh_horizon import refresh_horizon
from diemcau_wire.messages import DesiredSchedule, Mode

from tests.system.office import Office, furnished, meeting

WEEKLY = "FREQ=WEEKLY;BYDAY=MO"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path / "state") as made:
        yield made


def change(office: Office, made: str, status: int = 200, **patch: Any) -> Any:
    answer = office.http.patch(f"/api/v1/meetings/{made}", json=patch)
    assert answer.status_code == status, answer.text
    return answer.json()


def announced(office: Office, made: str) -> Any:
    return office.get(f"meetings/{made}/announcement")


def told(office: Office) -> dict[str, str]:
    """What the unit was told last: occurrence → start, called-off ones left out."""
    last = office.post.take(DesiredSchedule)[-1]
    return {one.id[-15:]: f"{one.starts_at:%m-%dT%H:%M}" for one in last.meetings if not one.closed}


def dates(view: Any) -> list[str]:
    return [one["starts_at"][5:16] for one in view["occurrences"] if not one["closed"]]


def code(answer: Any) -> str:
    return str(answer["code"])


# ── changing ─────────────────────────────────────────────────────────────────────────────────────


def test_a_meeting_held_once_keeps_its_way_in_when_it_is_moved(office: Office) -> None:
    made = meeting(office)
    before = office.get(f"meetings/{made}/join-info")
    view = change(office, made, starts_at="2026-03-03T14:00", title="Giao ban sớm", chair="Ông Y Khoa")
    assert (view["starts_local"], view["version"], view["chair"]) == ("2026-03-03T14:00:00", 2, "Ông Y Khoa")
    assert told(office) == {"20260302T083000": "03-03T07:00"}
    after = office.get(f"meetings/{made}/join-info")
    assert (after["room"], after["pin"]) == (before["room"], before["pin"])
    assert dates(change(office, made, starts_at="2026-03-02T08:30")) == ["03-02T01:30"]
    assert dates(change(office, made, duration_s=1800)) == ["03-02T01:30"]
    assert announced(office, made)["duration_s"] == 1800


def test_of_two_who_change_a_meeting_one_is_told(office: Office) -> None:
    made = meeting(office)
    change(office, made, version=1, title="Giao ban tuần")
    late = change(office, made, 409, version=1, place="Phòng họp A")
    assert code(late) == "schedule.changed_meanwhile" and late["values"]["version"] == 2
    (theirs,) = late["values"]["changes"]
    assert (theirs["who"], theirs["before"]["title"], theirs["after"]["title"]) == (
        "local",
        "Giao ban",
        "Giao ban tuần",
    )
    assert change(office, made, version=2, place="Phòng họp A")["title"] == "Giao ban tuần"


def test_a_series_changed_from_a_date_on_keeps_what_was(office: Office) -> None:
    made = meeting(office, rrule=WEEKLY)
    office.later(days=7, minutes=40)
    asyncio.run(refresh_horizon(office.controller))
    view = change(office, made, starts_at="2026-03-16T14:00", title="Giao ban chiều", sites=["huyen"])
    assert dates(view) == ["03-16T07:00", "03-23T07:00", "03-30T07:00", "04-06T07:00"]
    assert told(office) == {"20260309T083000": "03-09T01:30"}, "the other site is no longer invited"
    past = office.get(f"meetings/{made}-20260309T083000")
    assert past["title"] == "Giao ban" and past["sites"] == ["huyen", "ea-kiet"]
    assert past["meeting_id"] != made


def test_a_series_changed_from_a_later_date_on(office: Office) -> None:
    made = meeting(office, rrule=f"{WEEKLY};COUNT=5")
    view = change(
        office,
        made,
        since=f"{made}-20260316T083000",
        starts_at="2026-03-17T09:00",
        rrule="FREQ=WEEKLY;BYDAY=TU",
    )
    assert dates(view) == ["03-17T02:00", "03-24T02:00", "03-31T02:00"]
    listed = {one["id"]: dates(one) for one in office.get("meetings")}
    assert sorted(day for one in listed.values() for day in one) == [
        "03-02T01:30", "03-09T01:30", "03-17T02:00", "03-24T02:00", "03-31T02:00",
    ]  # fmt: skip
    asyncio.run(refresh_horizon(office.controller))
    assert {one["id"]: dates(one) for one in office.get("meetings")} == listed


def test_counted_meetings_stay_as_many_when_the_series_is_cut(office: Office) -> None:
    made = meeting(office, rrule=f"{WEEKLY};COUNT=5")
    change(office, made, since=f"{made}-20260316T083000", title="Khác")
    assert sorted(day for one in office.get("meetings") for day in dates(one)) == [
        "03-02T01:30", "03-09T01:30", "03-16T01:30", "03-23T01:30", "03-30T01:30",
    ]  # fmt: skip


def test_one_date_of_a_series_changed(office: Office) -> None:
    made = meeting(office, rrule=WEEKLY)
    view = change(office, made, since=f"{made}-20260309T083000", only=True, sites=["huyen"], notes="Riêng")
    assert view["id"] != made and dates(view) == ["03-09T01:30"] and view["rrule"] is None
    assert [one["id"] for one in view["occurrences"]] == [f"{made}-20260309T083000"]
    assert "20260309T083000" not in told(office)
    assert "03-09T01:30" not in dates(announced(office, made))


def test_while_it_runs_only_sites_end_and_notes_change(office: Office) -> None:
    made = meeting(office)
    office.later(minutes=40)
    assert code(change(office, made, 409, title="Khác")) == "schedule.running"
    assert code(change(office, made, 422, ends_at="2026-03-02T08:35")) == "schedule.end_past"
    view = change(office, made, ends_at="2026-03-02T10:00", notes="Kéo dài", sites=["huyen"])
    (one,) = view["occurrences"]
    assert one["ends_at"] == "2026-03-02T03:00:00Z" and one["cap_at"] == "2026-03-02T03:30:00Z"
    assert view["sites"] == ["huyen"] and one["starts_at"] == "2026-03-02T01:30:00Z"
    office.later(hours=4)
    assert code(change(office, made, 409, notes="Muộn")) == "schedule.over"


def test_a_running_date_of_a_series_is_changed_alone(office: Office) -> None:
    made = meeting(office, rrule=WEEKLY)
    office.later(minutes=40)
    view = change(office, made, since=f"{made}-20260302T083000", only=True, sites=["huyen"])
    assert view["sites"] == ["huyen"] and announced(office, made)["sites"] == ["huyen", "ea-kiet"]


@pytest.mark.parametrize(
    ("patch", "status", "said"),
    [
        ({"starts_at": "2026-03-01T08:00"}, 422, "schedule.past"),
        ({"ends_at": "2026-03-02T08:00"}, 422, "schedule.ends_first"),
        ({"main_site": "nowhere"}, 422, "schedule.unknown_sites"),
        ({"areas": ["nowhere"]}, 422, "areas.unknown"),
        ({"groups": ["nowhere"]}, 422, "schedule.unknown_group"),
        ({"rrule": "FREQ=DAILY;UNTIL=20260101T000000"}, 422, "schedule.no_dates"),
        ({"classification": "mat"}, 422, "gate.classified"),
        ({"notes": "về quốc phòng"}, 409, "gate.ask"),
    ],
)
def test_changes_that_cannot_be(office: Office, patch: dict[str, Any], status: int, said: str) -> None:
    made = meeting(office)
    assert code(change(office, made, status, **patch)) == said
    assert announced(office, made)["version"] == 1


# ── single dates ─────────────────────────────────────────────────────────────────────────────────


def test_skipping_moving_and_restoring(office: Office) -> None:
    made = meeting(office, rrule=WEEKLY)
    ninth, sixteenth = f"{made}-20260309T083000", f"{made}-20260316T083000"
    info = office.get(f"meetings/{sixteenth}/join-info")
    office.add(f"meetings/{ninth}/skip", reason="Nghỉ lễ")
    office.add(f"meetings/{sixteenth}/move", starts_at="2026-03-17T09:00")
    assert told(office) == {
        "20260302T083000": "03-02T01:30",
        "20260316T083000": "03-17T02:00",
        "20260323T083000": "03-23T01:30",
        "20260330T083000": "03-30T01:30",
    }
    assert office.get(f"meetings/{sixteenth}/join-info")["room"] == info["room"]
    assert announced(office, made)["exceptions"] == [
        {"date": "2026-03-09T08:30:00", "moved_to": None, "reason": "Nghỉ lễ"},
        {"date": "2026-03-16T08:30:00", "moved_to": "2026-03-17T09:00:00", "reason": ""},
    ]
    office.add(f"meetings/{ninth}/restore")
    office.add(f"meetings/{sixteenth}/restore")
    assert list(told(office).values()) == [
        "03-02T01:30", "03-09T01:30", "03-16T01:30", "03-23T01:30", "03-30T01:30",
    ]  # fmt: skip
    office.refused(409, f"meetings/{ninth}/restore")
    office.refused(404, f"meetings/{made}-20260310T083000/skip", reason="")


def test_a_date_beyond_the_horizon_can_be_skipped(office: Office) -> None:
    made = meeting(office, rrule=WEEKLY)
    office.add(f"meetings/{made}-20260427T083000/skip", reason="Nghỉ lễ 30/4")
    office.later(days=35)
    asyncio.run(refresh_horizon(office.controller))
    assert "04-27T01:30" not in dates(announced(office, made))


def test_a_date_that_comes_in_the_way_or_has_opened(office: Office) -> None:
    made = meeting(office, rrule=WEEKLY)
    assert "overlaps itself" in office.refused(
        422, f"meetings/{made}-20260309T083000/move", starts_at="2026-03-16T08:00"
    )
    meeting(office, title="Tập huấn", starts_at="2026-03-10T08:00")
    assert "Tập huấn" in office.refused(
        409, f"meetings/{made}-20260309T083000/move", starts_at="2026-03-10T08:30"
    )
    office.later(minutes=25)
    office.refused(409, f"meetings/{made}-20260302T083000/skip", reason="")


def test_a_date_closed_before_it_opened_stays_closed(office: Office) -> None:
    made = meeting(office, rrule=WEEKLY)
    office.add(f"meetings/{made}-20260302T083000/close")
    asyncio.run(refresh_horizon(office.controller))
    change(office, made, title="Khác")
    assert dates(announced(office, made))[0] == "03-09T01:30"


def test_a_time_taken_back_and_forth(office: Office) -> None:
    made = meeting(office, rrule=WEEKLY)
    change(office, made, starts_at="2026-03-02T09:00")
    office.add(f"meetings/{made}-20260309T090000/move", starts_at="2026-03-09T08:30")
    assert dates(announced(office, made))[:3] == ["03-02T02:00", "03-09T01:30", "03-16T02:00"]
    assert dates(change(office, made, starts_at="2026-03-02T08:30"))[:2] == ["03-02T01:30", "03-09T01:30"]


# ── where, and what about ────────────────────────────────────────────────────────────────────────


def test_a_meeting_elsewhere_only_holds_the_halls(office: Office) -> None:
    office.post.letters.clear()
    made = meeting(office, mode="elsewhere")
    (held,) = office.post.take(DesiredSchedule)[-1].meetings
    assert held.mode is Mode.ELSEWHERE and held.join is None
    office.refused(409, f"meetings/{made}/join-info", method="GET")
    office.refused(
        409, "meetings", title="Họp", starts_at="2026-03-02T09:00", duration_s=600, main_site="huyen"
    )
    change(office, made, mode="here")
    (held,) = office.post.take(DesiredSchedule)[-1].meetings
    assert held.mode is Mode.HERE and held.join is not None


def test_the_gate(office: Office) -> None:
    body = {"title": "Họp", "starts_at": "2026-03-02T08:30", "duration_s": 600, "main_site": "huyen"}
    assert "state secret" in office.refused(422, "meetings", **body, classification="toi_mat")
    assert "in person" in office.refused(422, "meetings", **body, security_subject=True)
    assert "quốc phòng" in office.refused(409, "meetings", **{**body, "title": "Họp quốc phòng"})
    meeting(office, title="Hội thao quốc phòng", starts_at="2026-03-05T08:00", subject_checked=True)
    made = meeting(office, mode="in_person", security_subject=True, classification="none")
    assert code(change(office, made, 422, security_subject=False)) == "gate.unmarked"
    assert code(change(office, made, 422, mode="here")) == "gate.security"
    office.refused(422, f"meetings/{made}/gate", reason="vì")
    view = office.add(f"meetings/{made}/gate", reason="Chỉ là hội thao của học sinh")
    assert view["gate_confirmed_by"] == "local"
    assert change(office, made, mode="here")["mode"] == "here"
    secret = meeting(office, mode="in_person", classification="mat", starts_at="2026-03-04T08:30")
    office.refused(409, f"meetings/{secret}/gate", reason="Chọn nhầm độ mật")
    assert code(change(office, secret, 422, classification="none")) == "gate.lowered"


# ── who ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_conflict_offers_ways_out(office: Office) -> None:
    office.add("sites", id="ea-tar", name="Xã Ea Tar")
    made = meeting(office, sites=["ea-kiet"])
    body = {"title": "Họp", "starts_at": "2026-03-02T09:00", "duration_s": 3600, "main_site": "ea-tar"}
    answer = office.http.post("/api/v1/meetings", json={**body, "sites": ["ea-kiet"]})
    values = answer.json()["values"]
    assert (answer.status_code, answer.json()["code"]) == (409, "schedule.conflict")
    assert values["without"] == ["ea-kiet"] and values["free_local"] == "2026-03-02T09:30:00"
    (clash,) = values["clashes"]
    assert (clash["meeting"], clash["sites"], clash["starts_local"]) == (
        made,
        ["ea-kiet"],
        "2026-03-02T08:30:00",
    )
    assert office.add("meetings", **body, sites=["ea-kiet"], without=values["without"])["sites"] == ["ea-tar"]
    office.add("meetings", **{**body, "starts_at": values["free_local"], "main_site": "ea-kiet", "sites": []})


def test_inviting_by_area(office: Office) -> None:
    office.add("areas", name="Cụm Đông", tier="cụm")
    office.add("areas", name="Xã Ea Tar", tier="xã", parent="cum-dong")
    office.add("sites", id="ea-tar", name="Xã Ea Tar", area="xa-ea-tar")
    meant = office.http.post("/api/v1/meetings/invited", json={"main_site": "huyen", "areas": ["cum-dong"]})
    assert meant.json() == {"count": 2, "sites": ["huyen", "ea-tar"]}
    made = office.add(
        "meetings",
        title="Họp cụm",
        starts_at="2026-03-02T08:30",
        duration_s=600,
        main_site="huyen",
        areas=["cum-dong", "xa-ea-kiet"],
        without=["ea-tar"],
    )
    assert made["sites"] == ["huyen", "ea-kiet"]


# ── documents ────────────────────────────────────────────────────────────────────────────────────


def attach(office: Office, made: str, name: str, content: bytes) -> Any:
    files = {"file": (name, content, "application/x-whatever")}
    return office.http.post(f"/api/v1/meetings/{made}/attachments", files=files)


def docx(*parts: str) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for part in ("[Content_Types].xml", *parts):
            archive.writestr(part, "<x/>")
    return whole.getvalue()


def test_documents(office: Office) -> None:
    made = meeting(office, rrule=WEEKLY)
    assert attach(office, made, "Giấy mời.pdf", b"%PDF-1.7\n").status_code == 201
    (listed, paper) = attach(office, made, "../../Kế hoạch.bin", docx("word/document.xml")).json()
    assert (listed["name"], listed["media_type"]) == ("Giấy mời.pdf", "application/pdf")
    assert paper["name"] == "Kế hoạch.docx" and paper["size"] == len(docx("word/document.xml"))
    got = office.http.get(f"/api/v1/meetings/{made}/attachments/{listed['id']}")
    assert got.content == b"%PDF-1.7\n" and got.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in got.headers["content-security-policy"]
    assert [one["id"] for one in announced(office, made)["attachments"]] == [listed["id"], paper["id"]]
    change(office, made, since=f"{made}-20260309T083000", title="Khác")
    earlier = office.get(f"meetings/{made}-20260302T083000")["meeting_id"]
    kept = office.get(f"meetings/{earlier}/attachments")
    assert [one["name"] for one in kept] == ["Giấy mời.pdf", "Kế hoạch.docx"]
    path = f"/api/v1/meetings/{made}/attachments/{listed['id']}"
    assert office.http.delete(path).status_code == 204 and office.http.get(path).status_code == 404
    still = office.http.get(f"/api/v1/meetings/{earlier}/attachments/{kept[0]['id']}")
    assert still.content == b"%PDF-1.7\n"


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("x.pdf", b"MZ\x90\x00", 422, "attachments.kind"),
        ("x.html", b"<script>", 422, "attachments.kind"),
        ("x.docm", docx("word/document.xml", "word/vbaProject.bin"), 422, "attachments.kind"),
        ("x.docx", b"PK\x03\x04 not a zip", 422, "attachments.kind"),
        ("x.txt", b"", 422, "file_empty"),
        ("x.pdf", b"%PDF-" + b"\0" * (20 * 1024 * 1024), 422, "file_too_large"),
        ("x.pdf", b"%PDF-" + b"\0" * (21 * 1024 * 1024), 413, ""),
    ],
)
def test_documents_that_are_not_kept(
    office: Office, name: str, content: bytes, status: int, said: str
) -> None:
    made = meeting(office)
    answer = attach(office, made, name, content)
    assert answer.status_code == status, answer.text
    assert not said or answer.json()["code"] == said
    assert office.get(f"meetings/{made}/attachments") == []
    assert list(office.state.attachments.iterdir()) == []


# ── the country ──────────────────────────────────────────────────────────────────────────────────


def test_every_commune_in_a_year_of_weekly_meetings(office: Office) -> None:
    rows = "ma,ten\n" + "".join(f"xa-{number},Xã {number}\n" for number in range(3321))
    from diemcau_controller.store.tables import Site

    office.writer.submit(
        lambda session: session.add_all(
            Site(id=row.split(",")[0], name=row) for row in rows.splitlines()[1:]
        ),
        urgent=True,
    ).result()
    began = time.monotonic()
    made = meeting(office, rrule="FREQ=WEEKLY;BYDAY=MO")
    added_s = time.monotonic() - began
    for day in range(8):
        meeting(office, rrule="FREQ=WEEKLY;BYDAY=TU", starts_at=f"2026-03-03T{7 + day:02}:00", duration_s=600)
    began = time.monotonic()
    answer = office.http.post(
        "/api/v1/meetings",
        json={
            "title": "Họp",
            "starts_at": "2026-03-09T08:45",
            "duration_s": 3600,
            "main_site": "huyen",
            "rrule": "FREQ=WEEKLY;BYDAY=MO",
        },
    )
    refused_s = time.monotonic() - began
    print(f"3,321 sites × a year of Mondays: added in {added_s:.2f} s, refused in {refused_s:.2f} s")
    assert answer.status_code == 409 and answer.json()["values"]["count"] == 3323
    assert len(announced(office, made)["sites"]) == 3323
    assert refused_s < 1
