"""The pages of what remains of meetings, without a browser."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from diemcau_controller.actions.write_report import write_due_reports, write_report
from diemcau_controller.web.report import report_file
from httpx import Response

from tests.system.office import Office
from tests.system.report_history import History, history, office_of_twelve, page, said


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office_of_twelve(tmp_path_factory.mktemp("report")) as made:
        yield made


@pytest.fixture(scope="module")
def held(office: Office) -> History:
    return history(office)


def press(office: Office, path: str, **fields: Any) -> Response:
    return office.http.post(path, data=fields, follow_redirects=False)


def table(office: Office, path: str) -> list[list[str]]:
    answer = office.http.get(path)
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
    assert answer.content.startswith("\ufeff".encode())
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_the_report_says_all_of_it(office: Office, held: History) -> None:
    whole = page(office, f"/meetings/{held.occurrence}/report")
    text, names = said(whole), [office.get(f"sites/{site}")["name"] for site in held.sites]
    for what in (
        "Biên bản kết nối: Giao ban tuần",
        "5/6 điểm cầu",
        "Đ/c Nguyễn Văn Hà",
        "2 có mặt, 1 dự thay, 1 vắng có lý do",
        "dự thay: Nguyễn Thị Hường",
        "vắng có lý do: đi tập huấn ở tỉnh",
        "Các lượt phát biểu (3)",
        "2 lượt, 54 phút 55 giây",
        "196 ms, 95%: 198 ms",
        "Kinh phí sửa kênh mương thôn 4 khi nào có?",
        "mất điện từ 08:20 đến 08:35",
        "Điểm cầu vắng (1)",
        "không kết nối",
        "Sự cố (1)",
    ):
        assert what in text, what
    (incident,) = re.findall(
        rf'<li class="card row">.*?/incidents/{held.incident}".*?</li>', whole, re.DOTALL
    )
    for what in ("Không có hình", names[1], "chưa xong"):
        assert what in said(incident), what
    assert 'href="tel:' in page(office, f"/meetings/{held.occurrence}/report")
    assert "Who was there" in page(office, f"/meetings/{held.occurrence}/report", lang="en")


def test_the_text_for_zalo(office: Office, held: History) -> None:
    text = page(office, f"/meetings/{held.occurrence}/report", lang="en")
    found = re.search(r'<pre id="zalo"[^>]*>(.*?)</pre>', text, re.DOTALL)
    assert found is not None
    lines = found[1].splitlines()
    assert lines[0].startswith("Kết quả kết nối: Giao ban tuần, thứ Hai 2/3/2026, 06:50–07:50")
    assert lines[1] == "5/6 điểm cầu đã kết nối." and lines[2].startswith("Vắng: ")
    assert lines[3].endswith("(1 lần).") and "không có hình (chưa xong)" in lines[-1]
    assert len(found[1]) < 600, "short enough for a telephone"


def test_the_earlier_address_leads_there(office: Office, held: History) -> None:
    answer = office.http.get(f"/reports/{held.occurrence}", follow_redirects=False)
    assert answer.status_code == 308 and answer.headers["location"] == f"/meetings/{held.occurrence}/report"
    assert "Không có cuộc họp" in page(office, "/meetings/nothing/report", 404)


def test_tables(office: Office, held: History) -> None:
    path = f"/meetings/{held.occurrence}/report.csv"
    sites = table(office, path)
    assert len(sites) == 7 and len({len(row) for row in sites}) == 1
    assert sites[2][6] == "1" and sites[3][9:11] == ["195.5", "198.5"]
    people = table(office, f"{path}?table=people")
    assert people[2][1:5] == ["H'Lan Mlô", "Phó Chủ tịch HĐND", "dự thay", "Nguyễn Thị Hường"]
    assert [row[2] for row in table(office, f"{path}?table=floor")[1:]] == ["9.9", "4.6", "45.0"]
    assert office.http.get(f"{path}?table=x").status_code == 422


def test_the_file_stands_alone(office: Office, held: History) -> None:
    controller = office.controller
    asyncio.run(write_due_reports(controller, lambda found: report_file(controller, found)))
    text = (office.state.reports / f"{held.occurrence}.html").read_text()
    assert "Biên bản kết nối" in text and "<style>" in text
    assert not re.search(r"<(script|form|button|use|img|link)\b|href=", text), (
        "nothing to fetch, nothing to press"
    )


def test_people_of_a_hall(office: Office, held: History) -> None:
    path = f"/meetings/{held.occurrence}/report/{held.sites[3]}"
    assert "Chưa ghi ai" in page(office, path)
    wrong = press(office, f"{path}/people", name="Ksor H'Bia", status="substitute", position="Văn phòng")
    assert wrong.status_code == 422 and "Xin ghi người này dự thay cho ai." in wrong.text
    assert "Ksor H&#39;Bia" in wrong.text and 'value="Văn phòng"' in wrong.text, "nothing typed is lost"
    wrong = press(office, f"{path}/people", name="", status="present", position="Trưởng thôn")
    assert wrong.status_code == 422 and 'value="Trưởng thôn"' in wrong.text
    done = press(office, f"{path}/people", name="Ksor H'Bia", status="present")
    assert done.status_code == 303 and done.headers["location"] == path
    person = office.get(f"meetings/{held.occurrence}/attendees?site={held.sites[3]}")[0]["id"]
    assert 'value="Ksor H&#39;Bia"' in page(office, path, edit=person)
    changed = press(office, f"{path}/people/{person}", name="Ksor H'Bia", status="excused", reason="ốm")
    assert changed.status_code == 303 and "vắng có lý do: ốm" in said(page(office, path))
    elsewhere = path.replace(held.sites[3], held.sites[4])
    assert press(office, f"{elsewhere}/people/{person}/remove").status_code == 404, "of another hall"
    assert press(office, f"{path}/people/{person}/remove").status_code == 303
    assert "Người này không còn trong danh sách" in press(office, f"{path}/people/{person}/remove").text


def test_a_remark_and_names_are_text(office: Office, held: History) -> None:
    path = f"/meetings/{held.occurrence}/report/{held.sites[4]}"
    bad = "<script>alert(1)</script> =1+1"
    assert press(office, f"{path}/note", note=bad).status_code == 303
    text = page(office, f"/meetings/{held.occurrence}/report")
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert press(office, f"{path}/note", note="x" * 501).status_code == 422
    press(office, f"{path}/note", note="=1+1")
    assert table(office, f"/meetings/{held.occurrence}/report.csv")[5][-1] == "'=1+1"
    press(office, f"{path}/note", note="")


def test_a_month(office: Office, held: History) -> None:
    controller = office.controller
    asyncio.run(write_report(controller, held.occurrence, lambda found: ""))
    text = said(page(office, "/reports", month="2026-03"))
    assert "Giao ban tuần" in text and "5/6" in text and "Tháng sau" not in text
    assert "Không có cuộc họp nào khớp" in page(office, "/reports", month="2026-03", q="tập huấn")
    assert "Giao ban tuần" in page(office, "/reports", month="2026-03", q="GIAO BAN tuan")
    assert "chưa có cuộc họp nào" in page(office, "/reports", month="2025-12")
    assert "Xin chọn một tháng" in page(office, "/reports", 422, month="xyz")
    totals = table(office, "/reports/sites.csv?month=2026-03")
    assert len(totals) == 7 and sorted(row[4] for row in totals[1:]) == ["0"] * 5 + ["1"]
    assert "Thời gian có mặt" in page(office, "/reports/sites", month="2026-03")


def test_a_viewer_reads_and_a_contractor_does_not(office: Office, held: History) -> None:
    for role, status in (("viewer", 200), ("contractor", 403)):
        office.add("users", name=f"u-{role}", role=role)
        headers = {"Authorization": f"Bearer {office.add(f'users/u-{role}/token')['token']}"}
        path = f"/meetings/{held.occurrence}/report"
        answer = office.nobody.get(path, headers=headers)
        assert answer.status_code == status
        assert office.nobody.get(f"{path}/{held.sites[0]}", headers=headers).status_code == 403
        assert "Điểm danh</a>" not in answer.text
    assert office.nobody.get(path, follow_redirects=False).headers["location"].startswith("/login?next=")
