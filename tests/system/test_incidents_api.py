"""Incidents by API and by themselves, over a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.incident_files import MAX_BYTES
from diemcau_controller.actions.open_incident import open_incident
from diemcau_controller.rules.actor import Actor, Role
from diemcau_controller.rules.refusals import Invalid, NotFound
from diemcau_controller.services.incident_watch import IncidentWatch
from diemcau_controller.store.tables import AuditRow
from diemcau_wire.messages import EventKind, Presence, State
from PIL import Image
from sqlalchemy import select

from tests.system.office import SPARE, UNIT, Office, event, furnished, meeting

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path / "state") as made:
        made.add("units", id=SPARE, site="huyen")
        yield made


@pytest.fixture
def watch(office: Office) -> IncidentWatch:
    return IncidentWatch(office.controller)


def look(watch: IncidentWatch) -> None:
    asyncio.run(watch.look())


def as_user(office: Office, name: str, role: str, **bound: Any) -> dict[str, str]:
    office.add("users", name=name, role=role, **bound)
    return {"Authorization": f"Bearer {office.add(f'users/{name}/token')['token']}"}


def opened(office: Office, **more: Any) -> Any:
    return office.add("incidents", **{"site": "ea-kiet", "kind": "no_sound", **more})


# ── by hand ──────────────────────────────────────────────────────────────────────────────────────


def test_from_opening_to_closing(office: Office) -> None:
    occurrence = office.get(f"meetings/{meeting(office)}")["id"]
    made = opened(office, title="Không nghe chủ tọa", text="Cả phòng không nghe.", occurrence=occurrence)
    assert made["id"] == "sc-1" and made["meeting"] == occurrence
    assert [one["kind"] for one in made["entries"]] == ["note", "evidence"]
    assert made["entries"][1]["document"]["unit"]["id"] == UNIT
    path = f"incidents/{made['id']}"
    office.add(f"{path}/notes", text="Đã gọi anh Tín.")
    office.refused(422, f"{path}/close", resolution="  ")
    closed = office.add(f"{path}/close", resolution="Cắm lại dây micrô.")
    assert closed["closed_at"] and closed["resolution"] == "Cắm lại dây micrô."
    office.refused(409, f"{path}/close", resolution="lần nữa")
    assert office.get("incidents") == [] and len(office.get("incidents?which=closed")) == 1
    assert office.add(f"{path}/reopen", text="Lại mất tiếng.")["closed_at"] is None
    office.refused(409, f"{path}/reopen", text="x")
    with office.database.read() as session:
        done = list(
            session.scalars(select(AuditRow.action).where(AuditRow.subject == f"incident:{made['id']}"))
        )
    assert done == ["incident.open", "incident.note", "incident.close", "incident.reopen"]


def test_one_per_site_and_kind_while_open(office: Office) -> None:
    first = opened(office)["id"]
    again = opened(office, title="vẫn không có tiếng", text="từ 8 giờ")
    assert again["id"] == first and again["entries"][-1]["text"] == "vẫn không có tiếng\ntừ 8 giờ"
    assert opened(office, kind="no_picture")["id"] != first
    other = opened(office, kind="other", title="Mất chìa khóa phòng họp")["id"]
    assert opened(office, kind="other", title="Loa rè")["id"] != other
    office.add(f"incidents/{first}/close", resolution="xong")
    assert opened(office)["id"] != first
    worst_first = [one["kind"] for one in office.get("incidents")]
    assert worst_first == ["no_sound", "no_picture", "other", "other"]
    assert [one["title"] for one in office.get("incidents?q=loa re")] == ["Loa rè"]
    assert len(office.get("incidents?kind=other")) == 2 and office.get("incidents?site=huyen") == []


def test_what_is_no_incident(office: Office) -> None:
    office.refused(422, "incidents", site="ea-kiet", kind="other")
    office.refused(422, "incidents", site="ea-kiet", kind="flood")
    office.refused(404, "incidents", site="nowhere", kind="power")
    office.refused(404, "incidents", site="ea-kiet", kind="power", occurrence="nothing")
    office.refused(422, "incidents", site="ea-kiet", kind="power", title="x" * 201)
    office.refused(404, "incidents/sc-99", method="GET")
    hall = Actor("hall:ea-kiet", Role.CONTRACTOR, frozenset({"ea-kiet"}))
    for wrong, kind in (("huyen", NotFound), ("ea-kiet", Invalid)):
        with pytest.raises(kind):
            asyncio.run(
                open_incident(office.controller, hall, wrong, "nonsense" if kind is Invalid else "power", "")
            )
    assert asyncio.run(open_incident(office.controller, hall, "ea-kiet", "power", "", text="mất điện"))


def test_files(office: Office) -> None:
    path = f"incidents/{opened(office)['id']}/files"

    def send(name: str, data: bytes, **more: str) -> Any:
        return office.http.post(f"/api/v1/{path}", files={"file": (name, data)}, data=more)

    answer = send("../../Ảnh chụp phòng họp.exe", PNG, text="màn hình đen")
    assert answer.status_code == 201, answer.text
    entry = answer.json()["entries"][-1]
    assert entry["file"] == {"name": "Ảnh chụp phòng họp.png", "media_type": "image/png", "size": 28}
    got = office.http.get(f"/api/v1/{path}/{entry['number']}")
    assert got.content == PNG and got.headers["content-type"] == "image/png"
    assert "sandbox" in got.headers["content-security-policy"]
    assert send("nhat-ky.log", "lỗi".encode()).status_code == 201
    assert send("a.html", b"<script>alert(1)</script>").status_code == 422
    assert send("a.txt", b"\xff\xfe\x00").status_code == 422
    assert send("a.png", b"").status_code == 422
    assert send("a.pdf", b"%PDF-1.7" + bytes(MAX_BYTES)).status_code in (413, 422)
    assert office.http.get(f"/api/v1/{path}/999").status_code == 404
    stored = [file.name for file in office.state.incidents.iterdir()]
    assert len(stored) == 2 and all(len(name) == 64 for name in stored), "nothing half-written stays"


# ── who ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_contractor_sees_what_it_is_assigned(office: Office) -> None:
    incident = opened(office)["id"]
    tin = as_user(office, "tin", "contractor")
    path = f"/api/v1/incidents/{incident}"

    def ask(method: str, path: str, **body: Any) -> int:
        return office.nobody.request(method, path, headers=tin, json=body or None).status_code

    assert ask("GET", path) == 404 and office.nobody.get("/api/v1/incidents", headers=tin).json() == []
    put = office.http.put(f"{path}/assignee", json={"user": "tin"})
    assert put.status_code == 200 and put.json()["entries"][-1]["text"] == "tin"
    assert ask("GET", path) == 200 and ask("POST", f"{path}/notes", text="đã đến nơi") == 201
    assert ask("POST", f"{path}/close", resolution="xong") == 403
    assert ask("POST", "/api/v1/incidents", site="ea-kiet", kind="power") == 403
    office.add(f"incidents/{incident}/close", resolution="xong")
    assert ask("GET", path) == 200, "its own history stays"
    assert office.http.put(f"{path}/assignee", json={"user": None}).status_code == 409


def test_scope(office: Office) -> None:
    mine, other = opened(office)["id"], opened(office, site="huyen")["id"]
    lan = as_user(office, "lan", "operator", area="xa-ea-kiet")
    seen = office.nobody.get("/api/v1/incidents", headers=lan).json()
    assert [one["id"] for one in seen] == [mine]
    assert office.nobody.get(f"/api/v1/incidents/{other}", headers=lan).status_code == 404
    closing = {"resolution": "x"}
    assert (
        office.nobody.post(f"/api/v1/incidents/{other}/close", headers=lan, json=closing).status_code == 404
    )
    assert office.nobody.post(f"/api/v1/incidents/{mine}/close", headers=lan, json=closing).status_code == 200
    refused = office.http.put(f"/api/v1/incidents/{other}/assignee", json={"user": "lan"})
    assert refused.status_code == 422 and "another area" in refused.json()["detail"]
    assert office.http.put(f"/api/v1/incidents/{other}/assignee", json={"user": "nobody"}).status_code == 422
    xem = as_user(office, "xem", "viewer")
    note = office.nobody.post(f"/api/v1/incidents/{other}/notes", headers=xem, json={"text": "x"})
    assert note.status_code == 403


def test_a_removed_site_keeps_its_incidents(office: Office) -> None:
    incident = opened(office)["id"]
    assert office.http.delete("/api/v1/sites/ea-kiet").status_code in (200, 204)
    found = office.get(f"incidents/{incident}")
    assert found["site_name"] == "Xã Ea Kiết" and found["sites"][0]["removed"]
    assert len(office.get("incidents")) == 1
    office.add(f"incidents/{incident}/close", resolution="điểm cầu đã bỏ")
    office.refused(404, "incidents", site="ea-kiet", kind="power")


# ── by themselves ────────────────────────────────────────────────────────────────────────────────


def test_a_lost_camera_is_one_incident_however_often(office: Office, watch: IncidentWatch) -> None:
    occurrence = office.get(f"meetings/{meeting(office)}")["id"]
    picture = office.state.pictures / f"{UNIT}.png"
    Image.new("RGB", (32, 18)).save(picture)
    office.hear(event(office, 1, EventKind.CAMERA_LOST, occurrence))
    look(watch)
    [one] = office.get("incidents")
    assert (one["kind"], one["opened_by"], one["meeting"]) == ("no_picture", "system", occurrence)
    for seq in range(2, 60):
        office.hear(event(office, seq, EventKind.CAMERA_LOST, occurrence))
    look(watch)
    look(IncidentWatch(office.controller))  # a controller that was started again
    assert len(office.get("incidents")) == 1
    entries = office.get(f"incidents/{one['id']}")["entries"]
    assert len([entry for entry in entries if entry["kind"] == "evidence"]) == 40
    assert entries[0]["document"]["cause"] == "camera_lost" and entries[0]["document"]["unit"]["id"] == UNIT


def test_old_news_opens_nothing(office: Office, watch: IncidentWatch) -> None:
    occurrence = office.get(f"meetings/{meeting(office)}")["id"]
    late = event(office, 1, EventKind.MICROPHONE_LOST, occurrence)
    office.later(hours=2)
    look(watch)
    office.hear(late)
    look(watch)
    assert office.get("incidents") == []


def in_the_meeting(office: Office, **more: Any) -> str:
    occurrence = str(office.get(f"meetings/{meeting(office, **more)}")["id"])
    office.later(minutes=25)
    office.hear(event(office, 1, EventKind.JOINED, occurrence))
    return occurrence


def test_a_site_that_falls_out(office: Office, watch: IncidentWatch) -> None:
    occurrence = in_the_meeting(office)
    look(watch)
    office.hear(event(office, 2, EventKind.DROPPED, occurrence))
    office.later(seconds=30)
    look(watch)
    assert office.get("incidents") == [], "not yet"
    office.later(seconds=31)
    look(watch)
    [one] = office.get("incidents")
    assert (one["kind"], one["site"], one["in_meeting"]) == ("connection", "ea-kiet", True)
    look(watch)
    office.hear(event(office, 3, EventKind.REJOINED, occurrence))
    look(watch)
    causes = [entry["document"]["cause"] for entry in office.get(f"incidents/{one['id']}")["entries"]]
    assert causes == ["lost", "back"]
    office.hear(event(office, 4, EventKind.DROPPED, occurrence))
    office.later(minutes=2)
    look(watch)
    look(watch)
    assert len(office.get("incidents")) == 1, "the same line"
    assert len(office.get(f"incidents/{one['id']}")["entries"]) == 3
    [in_report] = office.get(f"meetings/{occurrence}/report")["incidents"]
    assert in_report["id"] == one["id"]


def test_a_unit_that_is_switched_off_in_a_meeting(office: Office, watch: IncidentWatch) -> None:
    in_the_meeting(office)
    state = State(unit=UNIT, boot_id="b", nonce="n", version="1", at=office.time, status=Presence.ONLINE)
    office.hear(state)
    office.hear(state.model_copy(update={"status": Presence.LOST}))
    office.later(minutes=2)
    look(watch)
    assert [one["kind"] for one in office.get("incidents")] == ["connection"]


def test_one_broken_line_is_one_incident(office: Office, watch: IncidentWatch) -> None:
    sites, units = [], []
    for number in range(8):
        sites.append(office.add("sites", id=f"xa-{number}", name=f"Xã số {number}")["id"])
        units.append(f"u{number:012x}")
        office.add("units", id=units[-1], site=sites[-1])
    occurrence = str(office.get(f"meetings/{meeting(office, sites=[*sites, 'huyen'])}")["id"])
    office.later(minutes=25)

    def all_say(kind: EventKind, seq: int) -> None:
        for unit, site in zip(units, sites, strict=True):
            said = event(office, seq, kind, occurrence, site)
            office.hear(said.model_copy(update={"unit": unit, "id": f"{unit}:s:{seq}"}))
            office.later(seconds=5)

    all_say(EventKind.JOINED, 1)
    all_say(EventKind.DROPPED, 2)
    office.later(seconds=45)
    for _ in range(6):
        look(watch)
        office.later(seconds=10)
    [one] = office.get("incidents")
    assert one["site_count"] == 8
    found = office.get(f"incidents/{one['id']}")
    assert {place["id"] for place in found["sites"]} == set(sites)
    assert office.get("incidents?site=xa-7")[0]["id"] == one["id"]
    xa = as_user(office, "xa", "operator", sites=["xa-7"])
    assert office.nobody.get(f"/api/v1/incidents/{one['id']}", headers=xa).status_code == 200
    closing = office.nobody.post(f"/api/v1/incidents/{one['id']}/close", headers=xa, json={"resolution": "x"})
    assert closing.status_code == 403, "it is about others, too"
