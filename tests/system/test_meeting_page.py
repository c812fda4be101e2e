"""The pages of a running meeting, without a browser: the secretary's, the chair's, and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_wire.messages import Health
from diemcau_wire.topics import Channel
from httpx import Response

from tests.system.big_fleet import fill
from tests.system.office import Office, furnished, meeting
from tests.system.test_floor_api import SITES, joins

HTMX = {"HX-Request": "true"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path / "state") as made:
        made.add("sites", id="ea-tar", name="Xã Ea Tar", contacts=[{"name": "Y Bhin", "phone": "0905 111"}])
        made.add("sites", id="cu-ni", name="Xã Cư Ni")
        made.add("units", id=SITES["huyen"], site="huyen")
        made.add("units", id=SITES["ea-tar"], site="ea-tar")
        yield made


@pytest.fixture
def held(office: Office) -> str:
    """The occurrence, five minutes after its start: two are in, Ea Tar was never seen, Cư Ni has no unit."""
    occurrence = f"{meeting(office, chair='Ông Hùng')}-20260302T083000"
    office.later(minutes=35)
    for site in ("huyen", "ea-kiet"):
        joins(office, site, occurrence)
    return occurrence


def page(office: Office, path: str, status: int = 200, **headers: str) -> str:
    answer = office.http.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    return str(answer.text)


def press(office: Office, path: str, **fields: Any) -> Response:
    return office.http.post(path, data=fields, follow_redirects=False)


def rows(text: str) -> list[str]:
    """The names in the table, in its order."""
    return [re.sub("<[^>]+>", "", row).strip() for row in re.findall(r'<th scope="row">(.*?)</th>', text)]


def speakers(text: str) -> list[str]:
    return re.findall(r'class="speaker">.*?<strong>(.*?)</strong>', text, re.DOTALL)


# ── the secretary's page ─────────────────────────────────────────────────────────────────────────


def test_who_is_missing_comes_first_with_whom_to_call(office: Office, held: str) -> None:
    text = page(office, f"/meetings/{held}")
    assert [name.split(" ")[1] for name in rows(text)][:2] == ["Ea", "Cư"]
    assert "Xã Ea Tar" in rows(text)[0] and 'href="tel:0905111"' in text and "Y Bhin" in text
    assert "Chưa kết nối lần nào" in text and "Chưa có thiết bị" in text
    assert "Chủ trì: Ông Hùng" in text and "đang họp" in text
    unit = SITES["ea-kiet"]
    health = Health(
        unit=unit,
        boot_id="b",
        seq=1,
        at=office.time,
        interval_s=10,
        cpu_percent=1,
        memory_percent=1,
        disk_free_bytes=1,
        uptime_s=1,
        link_rtt_ms=512.4,
    )
    taken = [Taken(Channel.HEALTH, health)]
    office.writer.submit(lambda session: ingest(session, taken, office.time), urgent=True).result()
    assert re.search(r"rất chậm\s*<span[^>]*>512 ms", page(office, f"/meetings/{held}/halls"))


def test_searched_without_diacritics(office: Office, held: str) -> None:
    def found(**query: str) -> list[str]:
        answer = office.http.get(f"/meetings/{held}/halls", params=query, headers=HTMX)
        return rows(answer.text)

    assert found(q="EA KIET") == ["Xã Ea Kiết"]
    assert found(q="cư") == ["Xã Cư Ni"]
    assert found(show="present") == ["Huyện ủy – UBND điểm cầu chính đang phát biểu", "Xã Ea Kiết"]
    assert len(found(show="missing")) == 2
    assert len(found(show="nonsense", q="")) == 4
    assert "“&lt;script&gt;”" in page(office, f"/meetings/{held}/halls?q=<script>")


def test_a_part_that_did_not_change_is_not_sent_again(office: Office, held: str) -> None:
    path = f"/meetings/{held}/now"
    first = office.http.get(path, headers=HTMX)
    seen = re.search(r'id="seen" value="([^"]+)"', first.text)
    assert seen is not None
    query = {"seen": seen[1], "live": "1"}
    assert office.http.get(path, params=query, headers=HTMX).status_code == 204
    office.add(f"meetings/{held}/floor", verb="grant", site="ea-kiet")
    again = office.http.get(path, params=query, headers=HTMX)
    assert speakers(again.text) == ["Xã Ea Kiết"]
    office.add(f"meetings/{held}/close")
    over = office.http.get(path, params=query, headers=HTMX)
    assert over.headers["HX-Refresh"] == "true", "a meeting that has ended offers something else"


def test_buttons_work_with_and_without_javascript(office: Office, held: str) -> None:
    path = f"/meetings/{held}/floor"
    answer = press(office, path, verb="grant", site="ea-kiet")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/meetings/{held}")
    assert speakers(page(office, f"/meetings/{held}")) == ["Xã Ea Kiết"]
    part = office.http.post(path, data={"verb": "mute-all"}, headers=HTMX)
    assert part.status_code == 200 and "Đã tắt mic tất cả" in part.text and "<html" not in part.text

    office.http.post(f"/api/v1/meetings/{held}/hands", json={"site": "ea-tar", "text": "<b>Hỏi</b>"})
    part = office.http.get(f"/meetings/{held}/now", headers=HTMX)
    assert "&lt;b&gt;Hỏi&lt;/b&gt;" in part.text
    grant = re.search(r'<button[^>]*id="hand-grant-ea-tar"[^>]*>', part.text)
    assert grant is not None and "disabled" in grant[0] and 'aria-describedby="hand-ea-tar"' in grant[0]
    press(office, path, verb="dismiss", site="ea-tar")
    assert office.get(f"meetings/{held}/hands") == []
    gone = office.http.post(path, data={"verb": "dismiss", "site": "ea-tar"}, headers=HTMX)
    assert gone.status_code == 404 and "không còn đăng ký phát biểu" in gone.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Xin tải lại trang"),
        ({"verb": "shout"}, "Xin tải lại trang"),
        ({"verb": "grant"}, "Xin chọn điểm cầu"),
        ({"verb": "grant", "site": "nowhere"}, "không được mời dự"),
    ],
)
def test_buttons_nobody_made(office: Office, held: str, fields: dict[str, str], said: str) -> None:
    answer = press(office, f"/meetings/{held}/floor", **fields)
    assert answer.status_code == 422 and said in answer.text


def test_it_is_extended_and_ended_after_a_question(office: Office, held: str) -> None:
    assert press(office, f"/meetings/{held}/extend", minutes="30").status_code == 303
    text = page(office, f"/meetings/{held}")
    assert "08:30–10:00" in text and "kéo dài đến 10:00" in text
    for wrong in ("", "0", "9" * 50, "²", "-5"):
        press(office, f"/meetings/{held}/extend", minutes=wrong)
        assert "Xin chọn số phút" in page(office, f"/meetings/{held}")
    assert "2 điểm cầu đang họp sẽ rời" in page(office, f"/meetings/{held}/close")
    press(office, f"/meetings/{held}/close")
    text = page(office, f"/meetings/{held}")
    assert "đã kết thúc" in text and "/floor" not in text
    late = press(office, f"/meetings/{held}/floor", verb="mute-all")
    assert late.status_code == 409 and "đã kết thúc" in late.text


def test_a_removed_site_stays_until_the_end(office: Office, held: str) -> None:
    answer = office.http.delete("/api/v1/sites/ea-kiet")
    assert answer.is_success, answer.text
    text = page(office, f"/meetings/{held}")
    assert any("Xã Ea Kiết" in row for row in rows(text))


def test_whoever_only_looks_gets_no_buttons(office: Office, held: str) -> None:
    office.add("users", name="xem", role="viewer")
    token = office.add("users/xem/token")["token"]
    headers = {"Authorization": f"Bearer {token}"}
    text = office.nobody.get(f"/meetings/{held}", headers=headers).text
    assert "/floor" not in text and "Mời phát biểu" not in text and "chair-link" not in text
    for path in ("floor", "close", "extend", "chair-link"):
        refused = office.nobody.post(f"/meetings/{held}/{path}", data={"verb": "mute-all"}, headers=headers)
        assert refused.status_code == 403, path


def test_a_secretary_of_another_area_sees_a_part(office: Office, held: str) -> None:
    office.add("users", name="ea", role="secretary", area="xa-ea-kiet")
    token = office.add("users/ea/token")["token"]
    headers = {"Authorization": f"Bearer {token}"}
    text = office.nobody.get(f"/meetings/{held}", headers=headers).text
    assert rows(text) == ["Xã Ea Kiết"] and "Mời phát biểu" not in text
    refused = office.nobody.post(f"/meetings/{held}/floor", data={"verb": "mute-all"}, headers=headers)
    assert refused.status_code == 403 and "ngoài địa bàn" in refused.text
    hidden = f"{meeting(office, starts_at='2026-03-04T08:30', sites=['ea-tar'])}-20260304T083000"
    assert office.nobody.get(f"/meetings/{hidden}", headers=headers).status_code == 404


def test_a_meeting_that_only_holds_its_halls(office: Office) -> None:
    made = meeting(office, mode="elsewhere")
    office.later(minutes=35)
    text = page(office, f"/meetings/{made}")
    assert (
        "họp trên hệ thống khác" in text and "/floor" not in text and "chưa vào phòng họp" not in rows(text)
    )
    assert "is not held on this system" in office.refused(409, f"meetings/{made}/floor", verb="mute-all")
    assert "is not held on this system" in office.refused(409, f"meetings/{made}/chair-link")


def test_one_that_was_called_off_says_so(office: Office) -> None:
    made = meeting(office)
    assert office.http.delete(f"/api/v1/meetings/{made}").is_success
    assert "đã hủy" in page(office, f"/meetings/{made}")


def test_large_meetings_stay_small(tmp_path: Path) -> None:
    with furnished(tmp_path / "state") as office:
        fill(office.database, 168, office.time)
        made = meeting(office)
        office.later(minutes=35)
        answer = office.http.get(f"/meetings/{made}", headers={"Accept-Encoding": "gzip"})
        assert len(rows(answer.text)) == 60 and "Còn 110 điểm cầu nữa." in answer.text
        assert int(answer.headers["content-length"]) < 30_000
        assert len(rows(page(office, f"/meetings/{made}?all=1"))) == 170
        url = office.add(f"meetings/{made}/chair-link")["url"].removeprefix("https://192.0.2.1:8443")
        answer = office.nobody.get(url, headers={"Accept-Encoding": "gzip"})
        assert "Còn 170 điểm cầu nữa: gõ tên để tìm." in answer.text
        assert int(answer.headers["content-length"]) < 10_000


# ── the chair's page ─────────────────────────────────────────────────────────────────────────────


def link(office: Office, held: str) -> str:
    made = press(office, f"/meetings/{held}/chair-link")
    assert made.status_code == 303
    text = page(office, f"/meetings/{held}/chair-link")
    assert "<svg" in text and "có hiệu lực" not in text
    found = re.search(r"https://192\.0\.2\.1:8443(/chair/[\w/-]+)", text)
    assert found is not None
    return found[1]


def test_the_chair_needs_no_account(office: Office, held: str) -> None:
    path = link(office, held)
    text = office.nobody.get(path).text
    assert speakers(text) == ["Huyện ủy – UBND"] and "sse-connect=" in text
    assert "2/4 điểm cầu trong phòng họp" in text and "2 chưa vào" in text
    done = office.nobody.post(f"{path}/floor", data={"verb": "grant", "site": "ea-kiet"}, headers=HTMX)
    assert done.status_code == 200 and speakers(done.text) == ["Xã Ea Kiết"]
    assert "Xã Cư Ni" in office.nobody.get(f"{path}/halls", params={"q": "cu ni"}, headers=HTMX).text
    plain = office.nobody.post(f"{path}/floor", data={"verb": "mute-all"}, follow_redirects=False)
    assert (plain.status_code, plain.headers["location"]) == (303, path)
    foreign = office.nobody.post(
        f"{path}/floor", data={"verb": "mute-all"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status_code == 403


def test_the_link_is_for_one_meeting_and_ends(office: Office, held: str) -> None:
    other = f"{meeting(office, starts_at='2026-03-03T08:30')}-20260303T083000"
    path = link(office, held)
    token = path.rpartition("/")[2]
    link(office, other)
    assert office.nobody.get(f"/chair/{other}/{token}").status_code == 404
    assert office.nobody.get(f"/chair/{held}/{token[:-1]}x").status_code == 404
    assert office.nobody.get("/chair/nowhere/x").status_code == 404
    assert office.nobody.get(f"/meetings/{held}", follow_redirects=False).status_code == 303
    newer = link(office, held)
    gone = office.nobody.get(f"{path}/now", headers=HTMX)
    assert gone.status_code == 404 and "không còn hiệu lực" in gone.text and "data-notice" in gone.text
    assert office.nobody.post(f"{path}/floor", data={"verb": "mute-all"}).status_code == 404
    office.add(f"meetings/{held}/close")
    assert "Cuộc họp đã kết thúc" in office.nobody.get(newer).text
    assert office.nobody.post(f"{newer}/floor", data={"verb": "mute-all"}).status_code == 409


def test_before_the_opening_the_chair_is_told_when(office: Office) -> None:
    made = meeting(office)
    occurrence = f"{made}-20260302T083000"
    path = link(office, occurrence)
    text = office.nobody.get(path).text
    assert "Phòng họp mở lúc 08:20" in text and "/floor" not in text
