"""The schedule's pages without a browser: week, list, the form with its ways out, dates, documents."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from diemcau_controller.store.tables import Site
from httpx import Response

from tests.system.office import Office, furnished, meeting

WEEKLY = "FREQ=WEEKLY;BYDAY=MO"
FORM = {
    "title": "Giao ban tuần",
    "kind": "giao-ban",
    "date": "2026-03-02",
    "start": "08:30",
    "end": "10:00",
    "repeat": "once",
    "main_site": "huyen",
    "invite": ["all"],
    "mode": "here",
    "classification": "none",
    "opens_before_s": "600",
    "overrun_s": "1800",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with furnished(tmp_path_factory.mktemp("schedule") / "state") as made:
        made.add("areas", name="Cụm Đông", tier="cụm")
        made.add("sites", id="ea-tar", name="Xã Ea Tar", area="cum-dong")
        made.add("groups", name="Thử nghiệm", sites=["ea-kiet", "ea-tar"])
        yield made


@pytest.fixture
def office(shared: Office) -> Iterator[Office]:
    """The same office for every test, with an empty calendar."""
    yield shared
    for one in shared.get("meetings"):
        if not one["cancelled"]:
            shared.http.delete(f"/api/v1/meetings/{one['id']}")


def text(answer: Response, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    return html.unescape(re.sub(r"\s+", " ", answer.text))


def page(office: Office, path: str, status: int = 200) -> str:
    return text(office.http.get(path), status)


def send(office: Office, path: str, status: int = 303, **fields: Any) -> str:
    answer = office.http.post(path, data=fields, follow_redirects=False)
    return answer.headers["location"] if status == 303 == answer.status_code else text(answer, status)


def announced(office: Office, **fields: Any) -> str:
    return send(office, "/meetings/new", **{**FORM, **fields}).rpartition("/")[2]


def shown(page_text: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page_text))


# ── week and list ────────────────────────────────────────────────────────────────────────────────


def test_a_week_has_what_was_announced(office: Office) -> None:
    assert "Tuần này chưa có cuộc họp nào" in page(office, "/schedule")
    made = announced(office, repeat="week", days=["MO", "TH"], chair="Ông Y Khoa", place="Phòng họp A")
    announced(office, title="Đại hội", date="2026-03-04", start="07:30", end="17:00", mode="in_person")
    week = shown(page(office, "/schedule"))
    assert "Tuần 10, 2/3/2026 – 8/3/2026" in week and week.count("Giao ban tuần") == 2
    assert "Chủ trì: Ông Y Khoa" in week and "Cả ngày" in week and "Họp trực tiếp" in week
    assert "Đại hội" not in page(office, "/schedule?week=2026-W11")
    assert "Giao ban tuần" in page(office, "/schedule?week=2026-W25"), "beyond the horizon"
    assert 'class="now"' in page(office, "/schedule/week") and f"/schedule/{made}?date={made}-2026" in page(
        office, "/schedule"
    )
    assert "Không có tuần này" in page(office, "/schedule?week=2026-W99", 422)


def test_the_list_is_searched_without_diacritics(office: Office) -> None:
    announced(office, title="Triển khai đề án số", chair="Bà H'Nga")
    announced(office, title="Tập huấn", kind="tap-huan", date="2026-03-03", invite=["site:ea-tar"])
    found = shown(page(office, "/schedule/list?q=de an"))
    assert "1 cuộc họp" in found and "Triển khai đề án số" in found
    assert "Tập huấn" in shown(page(office, "/schedule/list?kind=tap-huan")).partition("Tình trạng")[2]
    only = shown(page(office, "/schedule/list?site=ea-kiet")).partition("Tình trạng")[2]
    assert "Triển khai" in only and "Tập huấn" not in only
    assert "Không tìm thấy" in page(office, "/schedule/list?q=khongcogi")
    assert (
        "<script>alert"
        not in page(office, "/schedule/list?q=<script>alert(1)</script>").partition("<form")[0]
    )


# ── the form ─────────────────────────────────────────────────────────────────────────────────────


def test_everything_of_the_form_is_stored(office: Office) -> None:
    made = announced(
        office,
        repeat="month_weekday",
        weekday="FR",
        nth="-1",
        ending="until",
        until="2026-12-31",
        invite=["area:cum-dong", "site:ea-kiet"],
        without=["ea-tar"],
        chair="Ông Y Khoa",
        place="Phòng họp A",
        notes="Dòng một\r\nDòng hai",
        opens_before_s="900",
        overrun_s="3600",
    )
    known = office.get(f"meetings/{made}/announcement")
    assert known["rrule"] == "FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20261231T235959"
    assert known["sites"] == ["huyen", "ea-kiet"] and known["notes"] == "Dòng một\nDòng hai"
    assert (known["opens_before_s"], known["overrun_s"], known["duration_s"]) == (900, 3600, 5400)
    detail = shown(page(office, f"/schedule/{made}"))
    assert "Hằng tháng vào thứ Sáu cuối cùng của tháng, đến 31/12/2026" in detail
    edit = page(office, f"/meetings/{made}/edit")
    for kept in ('value="month_weekday" selected', 'value="-1" selected', 'value="2026-12-31"'):
        assert kept in edit, kept


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"title": ""}, "Tên cuộc họp"),
        ({"title": "Ă" * 201}, "200"),
        ({"date": "2026-02-30"}, "Ngày này không đúng"),
        ({"date": "2026-02-28"}, "Giờ bắt đầu đã qua (bây giờ là 08:00)"),
        ({"start": "25:00"}, "Giờ này không đúng"),
        ({"end": "07:00"}, "Giờ kết thúc phải sau giờ bắt đầu"),
        ({"repeat": "week", "days": ["MO"], "ending": "count", "count": "nhiều"}, "một số từ 1 đến 1.000"),
        ({"repeat": "week", "ending": "until", "until": "2026-01-01"}, "không có ngày họp nào"),
        ({"main_site": "nowhere"}, "Không có điểm cầu: nowhere"),
        ({"classification": "toi_mat"}, "Nội dung mật không được họp trực tuyến"),
        ({"security_subject": "yes"}, "Nội dung an ninh – quốc phòng không họp trực tuyến"),
        ({"title": "Giao ban quốc phòng"}, "có từ: quốc phòng"),
    ],
)
def test_a_mistake_keeps_what_was_typed(office: Office, wrong: dict[str, Any], said: str) -> None:
    again = send(
        office, "/meetings/new", 422, **{**FORM, "notes": "Giữ lại <b>", "chair": "Bà H'Nga", **wrong}
    )
    assert said in again and "Giữ lại <b>" in again and 'value="Bà H\'Nga"' in again
    assert office.get("meetings") == [] or all(one["cancelled"] for one in office.get("meetings"))


def test_the_gate_only_asks_about_words(office: Office) -> None:
    asked = send(office, "/meetings/new", 422, **{**FORM, "title": "Hội thao quốc phòng"})
    assert 'name="subject_checked"' in asked
    announced(office, title="Hội thao quốc phòng", subject_checked="yes")


def test_a_conflict_offers_ways_out(office: Office) -> None:
    first = announced(office, title="Tập huấn", main_site="ea-tar", invite=["site:ea-kiet"])
    taken = send(office, "/meetings/new", 422, **FORM)
    assert "Một số điểm cầu đã có cuộc họp khác" in taken and f"/schedule/{first}?date=" in taken
    assert 'value="free:2026-03-02T10:00:00"' in taken and "Không mời 2 điểm cầu này" in taken
    without = announced(office, way="without")
    assert office.get(f"meetings/{without}/announcement")["sites"] == ["huyen"]
    later = announced(office, title="Họp sau", way="free:2026-03-02T10:00:00")
    assert office.get(f"meetings/{later}/announcement")["starts_local"] == "2026-03-02T10:00:00"


def test_who_is_invited_is_shown_before_it_is_sent(office: Office) -> None:
    fragment = send(office, "/meetings/invited", 200, **{**FORM, "invite": ["group:thu-nghiem"]})
    assert "3 điểm cầu" in shown(fragment) and "Xã Ea Tar" in fragment and "<html" not in fragment
    preview = send(office, "/meetings/new", 200, **{**FORM, "invite": ["site:ea-tar"], "way": "preview"})
    assert "2 điểm cầu" in shown(preview)


def test_a_country_is_searched_not_listed(office: Office) -> None:
    many = [Site(id=f"xa-{number}", name=f"Xã {number} Đắk") for number in range(250)]
    office.writer.submit(lambda session: session.add_all(many), urgent=True).result()
    try:
        empty = page(office, "/meetings/new")
        assert "Tìm điểm cầu" in empty and len(empty) < 40_000
        found = send(office, "/meetings/new", 200, **{**FORM, "invite": [], "find": "77 dak", "way": "find"})
        assert 'value="site:xa-77"' in found
        chosen = send(
            office, "/meetings/new", 200, **{**FORM, "invite": ["site:xa-77"], "find": "xa 99", "way": "find"}
        )
        assert 'value="site:xa-77" checked' in chosen and 'value="site:xa-99"' in chosen
        assert '<option value="xa-77"' in chosen, "a chosen site may be the main one"
    finally:
        office.writer.submit(
            lambda session: [session.delete(session.get_one(Site, one.id)) for one in many], urgent=True
        ).result()


# ── changing ─────────────────────────────────────────────────────────────────────────────────────


def edited(office: Office, made: str, status: int = 303, **changes: Any) -> str:
    return send(office, f"/meetings/{made}/edit", status, **{**FORM, "version": "1", **changes})


def test_only_what_was_changed_changes(office: Office) -> None:
    made = announced(office, invite=["site:ea-kiet"])
    edited(office, made, invite=["site:ea-kiet"], title="Tên mới")
    known = office.get(f"meetings/{made}/announcement")
    assert (known["title"], known["version"], known["sites"]) == ("Tên mới", 2, ["huyen", "ea-kiet"])
    assert "Tên mới" in page(office, f"/meetings/{made}/edit")


def test_of_two_who_change_nothing_is_lost(office: Office) -> None:
    made = announced(office, place="Phòng A")
    edited(office, made, title="Tên của người kia", place="Phòng A", chair="Ông Y Khoa")
    again = edited(office, made, 422, place="Phòng B", notes="Của tôi")
    assert "local vừa sửa cuộc họp này" in again and "Tên của người kia" in again
    assert 'value="Phòng B"' in again and "Của tôi" in again and 'value="Ông Y Khoa"' in again
    assert 'name="version" value="2"' in again
    edited(
        office,
        made,
        version="2",
        title="Tên của người kia",
        chair="Ông Y Khoa",
        place="Phòng B",
        notes="Của tôi",
    )
    known = office.get(f"meetings/{made}/announcement")
    assert (known["title"], known["chair"], known["place"], known["notes"]) == (
        "Tên của người kia",
        "Ông Y Khoa",
        "Phòng B",
        "Của tôi",
    )


def test_one_date_or_all_that_follow(office: Office) -> None:
    made = announced(office, repeat="week", days=["MO"])
    ninth = f"{made}-20260309T083000"
    edit = page(office, f"/meetings/{made}/edit?date={ninth}")
    assert f'value="{ninth}" selected' in edit and 'value="2026-03-09"' in edit
    same = {"repeat": "week", "days": ["MO"], "date": "2026-03-09", "since": ninth}
    single = edited(office, made, **same, scope="only", title="Riêng ngày này").rpartition("/")[2]
    assert single != made
    assert [o["id"] for o in office.get(f"meetings/{single}/announcement")["occurrences"]] == [ninth]
    sixteenth = f"{made}-20260316T083000"
    later = {**same, "date": "2026-03-16", "since": sixteenth, "version": "2", "scope": "from"}
    edited(office, made, **later, start="14:00", end="15:30")
    coming = [
        o["starts_at"] for o in office.get(f"meetings/{made}/announcement")["occurrences"] if not o["closed"]
    ]
    assert coming[0] == "2026-03-16T07:00:00Z" and office.get(f"meetings/{made}-20260302T083000")


def test_a_rule_beyond_the_form_is_kept(office: Office) -> None:
    made = meeting(office, rrule="FREQ=MONTHLY;BYMONTHDAY=1,15", starts_at="2026-03-15T08:30")
    edit = page(office, f"/meetings/{made}/edit")
    assert "FREQ=MONTHLY;BYMONTHDAY=1,15" in edit and 'value="rule" selected' in edit
    edited(
        office,
        made,
        title="Giao ban",
        date="2026-03-15",
        end="09:30",
        repeat="rule",
        rule="FREQ=MONTHLY;BYMONTHDAY=1,15",
        place="Phòng A",
        since=f"{made}-20260315T083000",
        scope="from",
    )
    known = office.get(f"meetings/{made}/announcement")
    assert known["rrule"] == "FREQ=MONTHLY;BYMONTHDAY=1,15" and known["place"] == "Phòng A"


def test_a_daily_meeting_is_said_in_words(office: Office) -> None:
    made = meeting(office, rrule="FREQ=DAILY;COUNT=5", starts_at="2026-03-09T08:30")
    said = shown(page(office, f"/schedule/{made}"))
    assert "Hằng ngày, 5 lần" in said and "FREQ" not in said
    assert 'value="day" selected' in page(office, f"/meetings/{made}/edit")
    times = {"start": "14:00", "end": "15:00"}
    again = announced(office, repeat="day", ending="until", until="2026-03-31", **times)
    assert office.get(f"meetings/{again}/announcement")["rrule"] == "FREQ=DAILY;UNTIL=20260331T235959"


def test_skip_move_restore_cancel(office: Office) -> None:
    made = announced(office, repeat="week", days=["MO"])
    ninth = f"/schedule/{made}/dates/{made}-20260309T083000"
    send(office, f"{ninth}/skip", reason="Nghỉ lễ")
    assert "Không họp" in page(office, f"/schedule/{made}") and "Lý do: Nghỉ lễ" in page(
        office, f"/schedule/{made}"
    )
    assert "Nghỉ lễ" in page(office, "/schedule?week=2026-W11")
    send(office, f"{ninth}/restore")
    wrong = send(office, f"{ninth}/move", 422, date="2026-03-16", start="08:00", reason="Bận")
    assert "trùng với một ngày họp khác" in wrong and 'value="Bận"' in wrong
    send(office, f"{ninth}/move", date="2026-03-10", start="14:00", reason="Bận")
    assert "Dời từ 08:30 ngày 9/3" in page(office, "/schedule?week=2026-W11")
    send(office, f"/schedule/{made}/cancel")
    assert "Cuộc họp đã bị hủy" in page(office, f"/schedule/{made}")
    assert "đã bị hủy" in edited(office, made, 422, version="", title="Khác")


def test_a_copy_is_filled_in(office: Office) -> None:
    made = announced(
        office, title="Tập huấn phần mềm", kind="tap-huan", invite=["site:ea-tar"], notes="Mang máy"
    )
    copy = page(office, f"/meetings/new?copy={made}")
    assert (
        'value="Tập huấn phần mềm"' in copy and "Mang máy" in copy and 'value="site:ea-tar" checked' in copy
    )
    assert 'value="tap-huan" selected' in copy and 'value="2026-03-02"' in copy


def test_a_mark_set_by_mistake(office: Office) -> None:
    made = announced(office, mode="in_person", security_subject="yes")
    assert "đánh dấu nhầm" in page(office, f"/schedule/{made}")
    short = send(office, f"/schedule/{made}/gate", 422, gate_reason="vì")
    assert "gate_reason-error" in short
    send(office, f"/schedule/{made}/gate", gate_reason="Chỉ là hội thao học sinh")
    assert "local đã xác nhận là đánh dấu nhầm: Chỉ là hội thao học sinh" in page(office, f"/schedule/{made}")
    edited(office, made, version="2", security_subject="yes", mode="here")


def test_documents(office: Office) -> None:
    made = announced(office)
    base = f"/schedule/{made}"
    office.http.post(f"{base}/documents", files={"file": ("Giấy mời.pdf", b"%PDF-1.7")})
    detail = page(office, base)
    link = re.search(rf'href="({base}/documents/\w+)"', detail)
    assert link and "Giấy mời.pdf" in detail
    got = office.http.get(link[1])
    assert got.content == b"%PDF-1.7" and got.headers["x-content-type-options"] == "nosniff"
    large = office.http.post(f"{base}/documents", files={"file": ("x.pdf", b"%PDF-" + b"0" * 6 * 2**20)})
    assert large.status_code == 200 and "x.pdf" in large.text, "more than other forms may send"
    bad = office.http.post(f"{base}/documents", files={"file": ("x.exe", b"MZ")})
    assert "Không nhận loại tệp này" in text(bad, 422)
    send(office, f"{link[1]}/remove")
    assert "Giấy mời.pdf" not in page(office, base)


# ── last, as the clock moves: a meeting that runs ────────────────────────────────────────────────


def test_a_meeting_that_runs(office: Office) -> None:
    made = announced(office, repeat="week", days=["MO"], date="2026-03-02")
    office.later(minutes=40)
    first = f"{made}-20260302T083000"
    assert f'href="/meetings/{first}"' in page(office, "/schedule")
    edit = page(office, f"/meetings/{made}/edit?date={first}")
    assert "chỉ đổi được điểm cầu, giờ kết thúc và ghi chú" in edit and 'name="title"' not in edit
    fields = {"version": "1", "since": first, "main_site": "huyen", "notes": "Kéo dài", "end": "11:00"}
    alone = send(office, f"/meetings/{made}/edit", **fields, invite=["all"]).rpartition("/")[2]
    (one,) = office.get(f"meetings/{alone}/announcement")["occurrences"]
    assert one["id"] == first and one["ends_at"] == "2026-03-02T04:00:00Z"
    assert "Giờ kết thúc đã qua" in send(
        office, f"/meetings/{alone}/edit", 422, **{**fields, "version": "2", "end": "08:35"}, invite=["all"]
    )
