"""The pages of sites, without a browser: what they show, what they refuse, and that nothing typed is lost."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from diemcau_controller.store.tables import User
from fastapi.testclient import TestClient
from httpx import Response

from tests.system.big_fleet import fill
from tests.system.office import Office, furnished, meeting

LONG = "Hội trường " + "trung tâm văn hóa thể thao và học tập cộng đồng " * 2 + "xã Ea Kiết"
BAD = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with furnished(tmp_path_factory.mktemp("sites")) as made:
        yield made


def page(office: Office, path: str, status: int = 200, client: TestClient | None = None) -> str:
    answer = (client or office.http).get(path)
    assert answer.status_code == status, answer.text
    return unescape(str(answer.text))


def press(office: Office, path: str, status: int = 303, **fields: Any) -> Response:
    answer = office.http.post(path, data=fields, follow_redirects=False)
    assert answer.status_code == status, answer.text
    return answer


def site_form(**fields: Any) -> dict[str, Any]:
    usual = {
        "width": 1280,
        "height": 720,
        "fps": 30,
        "kbit": 2000,
        "screen_width": 1280,
        "screen_height": 720,
    }
    contact = {"contact_name": [""], "contact_phone": [""], "contact_task": [""]}
    return {"name": "X", "area": "", "language": "vi", **usual, **contact, **fields}


def send(office: Office, data: bytes, name: str = "danh-sach.csv") -> Response:
    return office.http.post("/sites/import", files={"file": (name, data)}, follow_redirects=False)


def user(office: Office, name: str, role: str, area: str | None = None) -> TestClient:
    office.add("users", name=name, role=role)
    if area is not None:

        def bind(session: Any) -> None:
            session.get_one(User, name).area_id = area

        office.writer.submit(bind, urgent=True).result()
    client = TestClient(office.nobody.app, base_url="https://testserver")
    client.headers["Authorization"] = f"Bearer {office.add(f'users/{name}/token')['token']}"
    return client


# ── one site ─────────────────────────────────────────────────────────────────────────────────────


def test_a_site_is_added_with_all_that_is_odd_in_a_name(office: Office) -> None:
    typed = unicodedata.normalize("NFD", f"{LONG} {BAD}")
    done = press(
        office,
        "/sites/new",
        **site_form(
            name=typed,
            id="dai",
            area="ea kiet",
            is_centre="yes",
            contact_name=["", "Y Bhin", ""],
            contact_phone=["", "0905 1", ""],
            contact_task=["", "kỹ thuật", ""],
        ),
    )
    assert done.headers["location"] == "/sites/dai"
    site = office.get("sites/dai")
    assert site["name"] == f"{LONG} {BAD}" and site["area"]["id"] == "xa-ea-kiet" and site["is_centre"]
    assert site["contacts"] == [{"name": "Y Bhin", "phone": "0905 1", "task": "kỹ thuật"}]
    raw = office.http.get("/sites/dai").text
    assert BAD not in raw and "&lt;script&gt;" in raw
    assert 'href="tel:09051"' in raw and "Đã thêm điểm cầu" in raw and "Chưa có thiết bị" in raw


def test_a_mistake_keeps_what_was_typed_and_says_what_to_do(office: Office) -> None:
    answer = press(
        office,
        "/sites/new",
        422,
        **site_form(name="", id="Có Dấu", area="Xã Không Có", fps="nhiều", contact_name=["Y Bhin"]),
    )
    text = unescape(answer.text)
    for sentence in (
        "Còn 4 ô cần sửa",
        "Xin nhập tên.",
        "Mã chỉ gồm chữ thường không dấu",
        "Chưa có địa bàn “Xã Không Có”",
        "Xin nhập một số nguyên",
    ):
        assert sentence in text, sentence
    assert 'value="Có Dấu"' in text and 'value="Y Bhin"' in text
    assert '<details class="card" open' in text
    there = press(office, "/sites/new", 422, **site_form(name="X", id="ea-kiet"))
    assert "Mã điểm cầu “ea-kiet” đã có" in unescape(there.text)


def test_a_site_is_changed_and_its_history_says_so(office: Office) -> None:
    office.add("sites", id="doi", name="Xã Đổi", contacts=[{"name": "A", "phone": "1"}], area="xa-ea-kiet")
    form = page(office, "/sites/doi/edit")
    assert 'value="Xã Đổi"' in form and 'value="Xã Ea Kiết"' in form
    press(office, "/sites/doi/edit", **site_form(name="Xã Mới Đổi", contact_name=["B"], contact_phone=["2"]))
    site = office.get("sites/doi")
    assert site["area"] is None and [one["name"] for one in site["contacts"]] == ["B"]
    text = page(office, "/sites/doi")
    assert "<del>Xã Đổi</del>" in text and "<ins>Xã Mới Đổi</ins>" in text
    assert "<del>Xã Ea Kiết</del>" in text and "<ins>(trống)</ins>" in text, "areas by their names"


def test_where_a_unit_is_reached_and_gets_its_releases(office: Office) -> None:
    office.add("sites", id="gan", name="Xã Gần")
    given = {"ssh_address": "10.20.0.7:2222", "neighbour": "http://192.168.1.5:8080"}
    press(office, "/sites/gan/edit", **site_form(name="Xã Gần", **given))
    assert {key: office.get("sites/gan")[key] for key in given} == given
    assert all(value in page(office, "/sites/gan") for value in given.values())
    wrong = {"ssh_address": "-oProxyCommand=sh", "neighbour": "https://192.168.1.5:8080"}
    said = unescape(press(office, "/sites/gan/edit", 422, **site_form(name="Xã Gần", **wrong)).text)
    assert "Địa chỉ SSH ghi dạng" in said and "Nguồn cập nhật ghi dạng" in said
    assert all(f'value="{value}"' in said for value in wrong.values()), "nothing that was typed is lost"
    press(office, "/sites/gan/edit", **site_form(name="Xã Gần"))
    assert {key: office.get("sites/gan")[key] for key in given} == dict.fromkeys(given)
    office.http.delete("/api/v1/sites/gan")


def test_of_two_who_change_a_site_nothing_is_lost(office: Office) -> None:
    office.add("sites", id="hai", name="Xã Hai", contacts=[{"name": "A", "phone": "1"}])
    version = version_in(page(office, "/sites/hai/edit"))
    office.http.patch("/api/v1/sites/hai", json={"name": "Xã Hai mới", "is_centre": True})
    mine = site_form(name="Xã Hai", contact_name=["B"], contact_phone=["2"], version=version)
    told = unescape(press(office, "/sites/hai/edit", 409, **mine).text)
    assert "vừa sửa điểm cầu này" in told and "<del>Xã Hai</del>" in told, "what the other one did"
    assert 'value="Xã Hai mới"' in told and 'value="B"' in told, "theirs where I typed nothing, and mine"
    assert office.get("sites/hai")["contacts"][0]["name"] == "A", "not stored yet"
    again = {**mine, "name": "Xã Hai mới", "is_centre": "yes", "version": version_in(told)}
    press(office, "/sites/hai/edit", **again)
    known = office.get("sites/hai")
    assert (known["name"], known["contacts"][0]["name"]) == ("Xã Hai mới", "B")
    seen = {"version": known["version"]}
    assert office.http.patch("/api/v1/sites/hai", json={"name": "Xã Ba", **seen}).status_code == 200
    late = office.http.patch("/api/v1/sites/hai", json={"name": "Xã Tư", **seen})
    assert late.status_code == 409 and late.json()["code"] == "sites.changed_meanwhile"
    office.http.delete("/api/v1/sites/hai")


def test_of_two_who_choose_devices_nothing_is_lost(office: Office) -> None:
    office.add("sites", id="ba", name="Xã Ba", camera="rtsp://10.0.0.5/a")
    version = version_in(page(office, "/sites/ba/devices"))
    office.http.patch("/api/v1/sites/ba", json={"television": "cec", "morning_at": "06:30"})
    kept = {"microphone": "none", "sound": "none", "buttons": "auto", "television": "none"}
    mine = {"camera": "none", **kept, "morning_at": "07:00", "check_tone": "yes", "version": version}
    told = unescape(press(office, "/sites/ba/devices", 409, **mine).text)
    assert "vừa sửa điểm cầu này" in told and 'value="06:30"' in told
    assert re.search(r'name="television" value="cec" checked', told), "theirs"
    assert re.search(r'name="camera" value="none" checked', told), "mine"
    mine |= {"television": "cec", "morning_at": "06:30", "version": version_in(told)}
    press(office, "/sites/ba/devices", **mine)
    office.http.delete("/api/v1/sites/ba")


def version_in(text: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', text)
    assert found is not None
    return found[1]


def test_removal_is_explained_refused_for_a_main_site_and_undone(office: Office) -> None:
    office.add("sites", id="go", name="Xã Gỡ")
    title = f"Giao ban {BAD}"
    weekly = meeting(office, title=title, rrule="FREQ=WEEKLY", starts_at="2026-03-11T08:30", sites=["go"])
    assert "là điểm cầu chính của cuộc họp sắp tới" in page(office, "/sites/huyen/remove")
    refused = office.http.post("/sites/huyen/remove")
    assert refused.status_code == 409 and "điểm cầu chính" in refused.text
    asked = page(office, "/sites/go/remove")
    assert "bỏ khỏi 1 cuộc họp sắp tới" in asked and "Giao ban" in asked
    done = press(office, "/sites/go/remove")
    assert done.headers["location"] == "/sites"
    assert "Đã gỡ điểm cầu “Xã Gỡ”" in page(office, "/sites")
    for path in ("/sites/go/edit", "/sites/go/remove"):
        page(office, path, 404)
    gone = page(office, "/sites/go")
    assert "Điểm cầu này đã gỡ ngày 2/3/2026" in gone and "Khôi phục" in gone
    assert "Xã Gỡ" in page(office, "/sites?show=removed")
    press(office, "/sites/go/restore")
    assert office.get(f"meetings/{weekly}")["sites"] == ["huyen", "go"]
    assert title in page(office, "/sites/go")


def test_search_area_and_what_is_shown(office: Office) -> None:
    def names(query: str) -> list[str]:
        found = re.findall(r'<th scope="row"><a href="/sites/([^"]+)"', page(office, f"/sites?{query}"))
        return sorted(found)

    office.add(
        "sites", id="tim", name="Hội trường Tìm Kiếm", contacts=[{"name": "Nguyễn Đức", "phone": "0977"}]
    )
    assert names("q=TIM kiem") == names("q=nguyen+duc") == names("q=0977") == ["tim"]
    assert "ea-kiet" in names("area=xa-ea-kiet") and "tim" not in names("area=xa-ea-kiet")
    assert "huyen" in names("show=centre") and "tim" not in names("show=centre")
    assert "ea-kiet" not in names("show=no_unit")
    assert "Không tìm thấy điểm cầu nào" in page(office, "/sites?q=khong+co+gi")
    assert names("page=999&show=nothing&area=nowhere") == []


# ── areas and groups ─────────────────────────────────────────────────────────────────────────────


def test_areas(office: Office) -> None:
    press(office, "/sites/areas", name="Tỉnh Thử", tier="tỉnh", parent="")
    press(office, "/sites/areas", name="Xã Con", tier="xã", parent="tinh-thu")
    twice = press(office, "/sites/areas", 422, name="Xã Con", tier="", parent="tinh-thu")
    assert 'value="Xã Con"' in twice.text and "Xin ghi cấp của địa bàn" in unescape(twice.text)
    assert "Mã địa bàn “xa-con” đã có" in unescape(
        press(office, "/sites/areas", 422, name="Xã Con", tier="xã", parent="").text
    )
    assert "Xã Con" in page(office, "/sites/areas?area=tinh-thu")
    itself = press(office, "/sites/areas/tinh-thu", 422, name="Tỉnh Thử", tier="tỉnh", parent="Xã Con")
    assert "không thể nằm trong chính nó" in unescape(itself.text)
    used = office.http.post("/sites/areas/tinh-thu/remove")
    assert used.status_code == 409 and "còn 0 điểm cầu, 1 địa bàn trực thuộc" in unescape(used.text)
    press(office, "/sites/areas/xa-con", name="Phường Con", tier="phường", parent="")
    press(office, "/sites/areas/tinh-thu/remove")
    assert "Phường Con" in page(office, "/sites/areas")
    assert page(office, "/sites/area-names?parent=phuong+con") == '<option value="Phường Con"></option>\n'


def test_groups(office: Office) -> None:
    group = press(office, "/sites/groups", name="Khối Đảng").headers["location"]
    assert group == "/sites/groups/khoi-dang"
    assert "Đã có nhóm tên này" in unescape(press(office, "/sites/groups", 422, name="khoi dang").text)
    press(office, group, add=["huyen"])
    press(office, group, area="Xã Ea Kiết")
    sites = office.get("groups/khoi-dang")["sites"]
    assert {"huyen", "ea-kiet"} <= set(sites)
    press(office, group, remove="huyen")
    assert "huyen" not in office.get("groups/khoi-dang")["sites"]
    unclear = press(office, group, 422, area="Xã Mơ")
    assert "Chưa có địa bàn “Xã Mơ”" in unescape(unclear.text) and 'value="Xã Mơ"' in unescape(unclear.text)
    assert '<input type="checkbox" name="add" value="huyen">' in page(office, f"{group}?q=huyen uy")
    press(office, group, name="Khối Đảng, đoàn thể")
    assert "Khối Đảng, đoàn thể" in page(office, "/sites/groups")
    press(office, f"{group}/remove")
    page(office, group, 404)


# ── import ───────────────────────────────────────────────────────────────────────────────────────

TABLE = (
    "Tên,Địa bàn,Đầu mối,Điện thoại\nHội trường Tân An,Phường Tân An,Lan,905123456\nNhà văn hóa,Miền núi,,\n"
)


def test_a_table_is_looked_at_asked_about_and_taken_in(office: Office) -> None:
    where = send(office, TABLE.encode("utf-16")).headers["location"]
    plan = page(office, where)
    assert "2 địa bàn mới sẽ được tạo" in plan and "Tên không cho biết cấp" in plan
    assert "0905123456" in plan and "Thêm cả 2 điểm cầu" in plan
    assert "danh-sach.csv" in page(office, "/sites/import"), "it waits, also after the session has ended"
    short = press(office, where, 422, parent="", guessed=["", "phường"], tier=["", "phường"])
    assert "Tên không cho biết cấp" in unescape(short.text)
    lost = press(office, where, 422, parent="Tỉnh Mơ", guessed=["", "phường"], tier=["cụm", "phường"])
    assert "Chưa có địa bàn “Tỉnh Mơ”" in unescape(lost.text) and 'value="cụm"' in lost.text
    assert len([one for one in office.get("sites") if one["id"] == "nha-van-hoa"]) == 0
    done = press(office, where, parent="Xã Ea Kiết", guessed=["", "phường"], tier=["cụm", "phường"])
    assert done.headers["location"] == "/sites"
    assert "Đã thêm 2 điểm cầu. Đã tạo 2 địa bàn mới." in page(office, "/sites")
    area = office.get("sites/nha-van-hoa")["area"]
    assert (area["tier"], area["parent"]) == ("cụm", "xa-ea-kiet")
    assert "không còn được giữ" in page(office, where, 404), "a second press adds nothing"


def test_wrong_lines_are_told_and_nothing_is_taken_in(office: Office) -> None:
    before = len(office.get("sites"))
    lines = ["Mã,Tên,Địa bàn,Trung tâm", "ea-kiet,Trùng,,", f"m1,{BAD},,", "m1,Hai,,"]
    text = "\n".join([*lines, ",,,", "m2,Ba,Xã Mới,có lẽ", "X Y,Bốn,,"])
    where = send(office, text.encode()).headers["location"]
    raw = office.http.get(where).text
    plan = unescape(raw)
    assert BAD not in raw
    for sentence in (
        "Có 4 dòng cần sửa",
        "Mã điểm cầu “ea-kiet” đã có",
        "Mã “m1” trùng với dòng 3",
        "“có lẽ” không rõ là có hay không",
        "Mã chỉ gồm chữ thường không dấu",
        "1 dòng đúng",
    ):
        assert sentence in plan, sentence
    assert "Thêm cả" not in plan
    assert "Có 4 dòng cần sửa" in unescape(press(office, where, 422).text)
    assert len(office.get("sites")) == before
    press(office, f"{where}/drop")
    page(office, where, 404)


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (b"", "trong.csv", "Không thấy dòng tiêu đề"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x90\x8d", "anh.xlsx", "Không đọc được bảng mã"),
        (b"PK\x03\x04rest", "hong.xlsx", "Không mở được tệp Excel này"),
        (b"\xd0\xcf\x11\xe0", "cu.xls", "Excel 97–2003"),
        ("Tên\n" + "A\n" * 20_001, "dai.csv", "hơn 20.000 dòng"),
        ("Tên,Màu\nA,đỏ\n", "cot.csv", "Không biết cột “Màu”"),
    ],
)
def test_what_is_no_table(office: Office, data: bytes | str, name: str, sentence: str) -> None:
    answer = send(office, data.encode() if isinstance(data, str) else data, name)
    assert answer.status_code == 422 and sentence in unescape(answer.text)


def test_no_file_and_somebody_elses_file(office: Office) -> None:
    assert "Xin chọn một tệp" in unescape(press(office, "/sites/import", 422).text)
    where = send(office, b"name\nA\n").headers["location"]
    other = user(office, "khac", "administrator")
    page(office, where, 404, other)
    assert other.post(f"{where}/drop").status_code == 404
    assert "danh-sach.csv" not in page(office, "/sites/import", client=other)


def test_the_template_and_the_list_are_downloads(office: Office, tmp_path: Path) -> None:
    for path, name in (
        ("/sites/template?form=xlsx", "mau-diem-cau.xlsx"),
        ("/sites/export?form=csv", "diem-cau.csv"),
    ):
        answer = office.http.get(path)
        assert f'filename="{name}"' in answer.headers["content-disposition"]
    file = tmp_path / "mau.xlsx"
    file.write_bytes(office.http.get("/sites/template").content)
    assert openpyxl.load_workbook(file).active["B1"].value == "Tên"


# ── who may, and how many ────────────────────────────────────────────────────────────────────────


def test_who_may_what(office: Office) -> None:
    viewer, lan = user(office, "xem", "viewer"), user(office, "lan", "operator", "xa-ea-kiet")
    text = page(office, "/sites/ea-kiet", client=viewer)
    assert "/sites/ea-kiet/edit" not in text and "Giao ban" not in page(office, "/sites", client=viewer)
    for path in (
        "/sites/new",
        "/sites/ea-kiet/edit",
        "/sites/ea-kiet/remove",
        "/sites/areas",
        "/sites/import",
    ):
        page(office, path, 403, viewer)
    assert "/sites/import" not in page(office, "/sites", client=lan)
    page(office, "/sites/huyen", 404, lan)
    assert "Huyện ủy" not in page(office, "/sites", client=lan)
    answer = lan.post("/sites/new", data=site_form(name="Xa", area=""))
    assert answer.status_code == 422 and "chỉ phụ trách một địa bàn" in unescape(answer.text)
    assert office.nobody.get("/sites", follow_redirects=False).headers["location"] == "/login?next=%2Fsites"


def test_english_is_complete(office: Office) -> None:
    for path in ("/sites", "/sites/new", "/sites/ea-kiet", "/sites/areas", "/sites/groups", "/sites/import"):
        assert "Điểm cầu –" not in page(office, f"{path}?lang=en")
    office.http.cookies.clear()


def test_a_whole_country_is_listed_quickly(tmp_path: Path) -> None:
    office = Office(tmp_path)
    fill(office.database, 3321, office.time, provinces=34)
    try:
        page(office, "/sites")
        began = time.monotonic()
        for path in ("/sites", "/sites?q=xa+1", "/sites/areas", "/sites?show=no_unit&page=3"):
            text = page(office, path)
            assert len(text.encode()) < 250_000
        taken = (time.monotonic() - began) / 4
    finally:
        office.close()
    assert taken < 0.5, f"{taken:.3f} s a page"
