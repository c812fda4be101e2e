"""Sites, areas and groups by the API: import and export, removal and its undoing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.remove_site import retire_removed_sites
from diemcau_controller.actions.sweep import finish_meetings
from diemcau_controller.actions.write_report import write_due_reports
from diemcau_wire.messages import DesiredConfig, DesiredSchedule

from tests.system.office import UNIT, Office, furnished, meeting


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path) as made:
        yield made


def table(text: str) -> bytes:
    return text.encode()


def imported(office: Office, text: str, **query: str) -> Any:
    return office.http.post("/api/v1/sites/import", content=text.encode(), params=query)


def history(office: Office, subject: str) -> list[str]:
    from diemcau_controller.store.tables import AuditRow
    from sqlalchemy import select

    with office.database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.subject == subject).order_by(AuditRow.number))
        return [row.action for row in rows]


# ── import and export ────────────────────────────────────────────────────────────────────────────

NEW = "Mã,Tên,Địa bàn,Đầu mối,Điện thoại\nea-tul,Xã Ea Tul,Tỉnh Đắk Lắk / Xã Ea Tul,Y Bhin,905000001\n"


def test_a_dry_run_adds_nothing_and_says_what_would_be(office: Office) -> None:
    answer = imported(office, NEW, dry_run="true")
    assert answer.status_code == 200
    (site,) = answer.json()["sites"]
    assert "is not known: add it first" in site["errors"][0]
    told = imported(office, NEW, dry_run="true", make_areas="true").json()
    assert [area["tier"] for area in told["areas"]] == ["tỉnh", "xã"] and told["sites"][0]["errors"] == []
    assert len(office.get("sites")) == 2 and len(office.get("areas")) == 1


def test_areas_are_made_with_the_sites(office: Office) -> None:
    assert imported(office, NEW).status_code == 422
    told = imported(office, NEW, make_areas="true").json()
    assert told == {"added": ["ea-tul"], "areas": ["tinh-dak-lak", "xa-ea-tul"]}
    site = office.get("sites/ea-tul")
    assert site["area"]["parent"] == "tinh-dak-lak" and site["contacts"][0]["phone"] == "0905000001"
    assert history(office, "site:ea-tul") == ["site.add"]
    assert history(office, "area:xa-ea-tul") == ["area.add"]


def test_an_area_whose_name_tells_no_tier(office: Office) -> None:
    text = "Tên,Địa bàn\nA,Miền núi\n"
    answer = imported(office, text, make_areas="true")
    assert answer.status_code == 422 and "does not tell its tier" in answer.json()["errors"][0]["text"]
    assert imported(office, text, make_areas="true", tier="cụm", parent="xa-ea-kiet").status_code == 201
    assert office.get("sites/a")["area"]["parent"] == "xa-ea-kiet"


def test_all_or_nothing(office: Office) -> None:
    text = "Mã,Tên,Địa bàn\nmoi,Mới,Xã Mới\nhuyen,Trùng,\nmoi,Trùng,\nnew,Không được,\n"
    answer = imported(office, text, make_areas="true")
    assert [row["line"] for row in answer.json()["errors"]] == [3, 4, 5]
    assert "line 2 has the same id" in answer.json()["errors"][1]["text"]
    assert len(office.get("sites")) == 2 and len(office.get("areas")) == 1


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_what_is_given_out_can_be_taken_in(office: Office, tmp_path: Path, form: str) -> None:
    imported(office, NEW, make_areas="true")
    room = {
        **{"camera": "rtsp://u:p%3Aw@10.0.0.20/1", "camera_small": "rtsp://u:p%3Aw@10.0.0.20/2"},
        **{"camera_onvif": "onvif://u:p%3Aw@10.0.0.20", "camera_preset": "Bục phát biểu"},
        **{"microphone": "pulse:mic", "echo_cancellation": False, "sound": "pulse:loa", "volume_percent": 70},
        **{"television": "cec", "buttons": "none", "morning_at": None, "check_tone": False},
        "room_pictures": True,
        "ssh_address": "10.20.0.7:2222",
        "neighbour": "http://192.168.1.5:8080",
    }
    changed = office.http.patch("/api/v1/sites/ea-tul", json={"name": "=1+1 <script>", **room})
    assert changed.status_code == 200, changed.text
    given = office.http.get("/api/v1/sites/export", params={"form": form})
    assert given.headers["content-disposition"] == f'attachment; filename="diem-cau.{form}"'
    other = Office(tmp_path / "other")
    told = other.http.post("/api/v1/sites/import", content=given.content, params={"make_areas": "true"})
    assert told.status_code == 201, told.text
    kept = ("id", "name", "is_centre", "contacts", "video", "screen", "language", *room)
    before, after = (
        {site["id"]: [site[key] for key in kept] + [(site["area"] or {}).get("name")] for site in sites}
        for sites in (office.get("sites"), other.get("sites"))
    )
    other.close()
    assert [(one["name"], one["phone"]) for one in before["ea-tul"][3]] == [("Y Bhin", "0905000001")]
    assert after == before and before["ea-tul"][-1 - len(room) : -1] == list(room.values())


def test_who_may(office: Office) -> None:
    office.add("users", name="lan", role="operator")
    lan = {"Authorization": f"Bearer {office.add('users/lan/token')['token']}"}
    paths = {
        ("POST", "sites/import"): 403,
        ("DELETE", "sites/huyen"): 200,
        ("POST", "sites/huyen/restore"): 403,
        ("DELETE", "areas/xa-ea-kiet"): 403,
        ("POST", "groups"): 201,
        ("GET", "sites/export"): 200,
    }
    for (method, path), status in paths.items():
        body = {"name": "Cụm 1"} if path == "groups" else None
        answer = office.nobody.request(method, f"/api/v1/{path}", headers=lan, json=body)
        assert answer.status_code == status, (path, answer.text)


# ── removal ──────────────────────────────────────────────────────────────────────────────────────


def remove(office: Office, site: str) -> Any:
    return office.http.delete(f"/api/v1/sites/{site}").json()


def test_a_removed_site_is_out_of_everything_and_comes_back(office: Office) -> None:
    weekly = meeting(office, rrule="FREQ=WEEKLY", starts_at="2026-03-09T08:30")
    office.add("groups", id="cum", name="Cụm", sites=["ea-kiet", "huyen"])
    office.post.letters.clear()
    assert remove(office, "ea-kiet") == {"id": "ea-kiet", "left": [weekly], "attends": []}
    (told,) = office.post.take(DesiredSchedule)
    assert told.unit == UNIT and told.meetings == []
    assert office.get(f"units/{UNIT}")["site"] is None
    assert [site["id"] for site in office.get("sites")] == ["huyen"]
    assert office.get(f"meetings/{weekly}")["sites"] == ["huyen"]
    assert office.get("groups/cum")["sites"] == ["huyen"]
    office.refused(404, "sites/ea-kiet", method="GET")
    office.refused(404, "sites/ea-kiet", method="DELETE")
    assert "was revoked" in office.refused(409, "units", id=UNIT, site="huyen"), "its key has ended"
    assert "was removed: restore it" in office.refused(409, "sites", id="ea-kiet", name="X")
    office.refused(404, "units", id=UNIT, site="ea-kiet")
    assert office.add("sites", name="B")["id"] == "b"

    assert office.add("sites/ea-kiet/restore") == {"id": "ea-kiet", "meetings": [weekly]}
    assert office.get(f"meetings/{weekly}")["sites"] == ["huyen", "ea-kiet"]
    assert office.get("groups/cum")["sites"] == ["ea-kiet", "huyen"]
    assert office.get("sites/ea-kiet")["unit"] is None
    office.add("units", id="u00000000beef", site="ea-kiet")
    office.refused(404, "sites/ea-kiet/restore")
    assert history(office, "site:ea-kiet")[-3:] == ["site.remove", "site.restore", "unit.bind"]


def test_the_main_site_of_a_meeting_stays(office: Office) -> None:
    meeting(office)
    assert "to come: give that meeting another main site" in office.refused(
        409, "sites/huyen", method="DELETE"
    )
    office.later(minutes=25)
    assert "which runs: remove it after" in office.refused(409, "sites/huyen", method="DELETE")
    assert len(office.get("sites")) == 2


def test_a_site_removed_in_a_running_meeting_attends_it_to_the_end(office: Office) -> None:
    weekly = meeting(office, rrule="FREQ=WEEKLY", starts_at="2026-03-02T08:30")
    later = meeting(office, starts_at="2026-03-20T08:30")
    office.later(minutes=25)
    office.post.letters.clear()
    assert remove(office, "ea-kiet") == {"id": "ea-kiet", "left": [later], "attends": [weekly]}
    (told,) = office.post.take(DesiredSchedule)
    assert {one.id.partition("-")[0] for one in told.meetings} == {weekly}
    running = told.meetings[0].id

    def sweep() -> None:
        async def all_of_it() -> None:
            await finish_meetings(office.controller)
            await retire_removed_sites(office.controller)
            await write_due_reports(office.controller, lambda report: "")

        asyncio.run(all_of_it())

    sweep()
    assert office.get(f"units/{UNIT}")["site"] == "ea-kiet"
    there = [hall["site"] for hall in office.get(f"meetings/{running}")["attendance"]]
    assert there == ["huyen", "ea-kiet"]
    office.later(minutes=10)
    office.http.post(f"/api/v1/meetings/{running}/floor", json={"verb": "grant", "site": "ea-kiet"})
    office.http.post(f"/api/v1/meetings/{running}/close")
    sweep()
    assert office.get(f"units/{UNIT}")["site"] == "ea-kiet", "the report of the meeting is not written yet"
    office.later(minutes=1)
    sweep()
    sweep()
    assert office.get(f"units/{UNIT}")["site"] is None
    assert office.get(f"meetings/{weekly}")["sites"] == ["huyen"]
    report = office.get(f"meetings/{running}/report")
    assert "ea-kiet" in [site["id"] for site in report["sites"]]
    assert history(office, "site:ea-kiet")[-2:] == ["site.remove", "site.leave"]
    assert set(office.add("sites/ea-kiet/restore")["meetings"]) == {weekly, later}


# ── areas and groups ─────────────────────────────────────────────────────────────────────────────


def change(office: Office, path: str, status: int = 200, **body: Any) -> Any:
    answer = office.http.patch(f"/api/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_areas_are_renamed_moved_and_removed(office: Office) -> None:
    office.add("areas", name="Tỉnh Đắk Lắk", tier="tỉnh")
    office.post.letters.clear()
    area = change(office, "areas/xa-ea-kiet", name="Phường Ea Kiết", tier="phường", parent="tinh-dak-lak")
    assert area == {"id": "xa-ea-kiet", "name": "Phường Ea Kiết", "tier": "phường", "parent": "tinh-dak-lak"}
    (config,) = office.post.take(DesiredConfig)
    assert config.site.area == "Phường Ea Kiết"
    change(office, "areas/tinh-dak-lak", 422, parent="xa-ea-kiet")
    change(office, "areas/nowhere", 404, name="X")
    assert "used by 1 sites" in office.refused(409, "areas/xa-ea-kiet", method="DELETE")
    office.refused(409, "areas/tinh-dak-lak", method="DELETE")
    assert change(office, "sites/ea-kiet", area=None)["area"] is None
    assert office.http.delete("/api/v1/areas/xa-ea-kiet").status_code == 204
    assert history(office, "area:xa-ea-kiet") == ["area.add", "area.change", "area.remove"]


def test_groups(office: Office) -> None:
    group = office.add("groups", name="Cụm phía Bắc", sites=["huyen", "huyen"])
    assert group == {"id": "cum-phia-bac", "name": "Cụm phía Bắc", "sites": ["huyen"]}
    assert change(office, "groups/cum-phia-bac", sites=["ea-kiet", "huyen"])["sites"] == ["ea-kiet", "huyen"]
    assert "unknown site nowhere" in change(office, "groups/cum-phia-bac", 422, sites=["nowhere"])["detail"]
    office.refused(409, "groups", name="Cụm phía Bắc")
    assert office.http.delete("/api/v1/groups/cum-phia-bac").status_code == 204
    assert office.get("groups") == []


def test_who_is_bound_to_an_area_stays_in_it(office: Office) -> None:
    from diemcau_controller.store.tables import User

    office.add("users", name="lan", role="administrator")

    def bind(session: Any) -> None:
        session.get(User, "lan").area_id = "xa-ea-kiet"

    office.writer.submit(bind, urgent=True).result()
    office.add("groups", name="Mọi nơi", sites=["huyen", "ea-kiet"])
    lan = office.nobody
    lan.headers["Authorization"] = f"Bearer {office.add('users/lan/token')['token']}"
    assert lan.get("/api/v1/groups").json() == [{"id": "moi-noi", "name": "Mọi nơi", "sites": ["ea-kiet"]}]
    assert lan.patch("/api/v1/groups/moi-noi", json={"sites": []}).status_code == 403
    assert lan.post("/api/v1/groups", json={"name": "X", "sites": ["huyen"]}).status_code == 422
    assert lan.delete("/api/v1/sites/huyen").status_code == 404
    assert lan.patch("/api/v1/sites/ea-kiet", json={"area": None}).status_code == 403
    assert "Huyện" not in lan.get("/api/v1/sites/export").text
    answer = lan.post("/api/v1/sites/import", content="Tên,Địa bàn\nA,\nB,Xã Ea Kiết\n".encode())
    assert [row["line"] for row in answer.json()["errors"]] == [2]
    assert lan.patch("/api/v1/areas/xa-ea-kiet", json={"name": "Ea Kiết"}).status_code == 200


def test_many_sites_at_once(office: Office) -> None:
    lines = [f"d{n},Xã số {n},Tỉnh {n % 34} / Xã số {n}" for n in range(3321)]
    answer = imported(office, "Mã,Tên,Địa bàn\n" + "\n".join(lines), make_areas="true")
    assert answer.status_code == 201
    assert (len(answer.json()["added"]), len(answer.json()["areas"])) == (3321, 3321 + 34)
