"""The pages of incidents, without a browser: an operator's, a secretary's, a contractor's."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from diemcau_controller.actions.incident_files import MAX_BYTES
from httpx import Response

from tests.system.office import Office
from tests.system.report_history import History, history, office_of_twelve, page, said

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office_of_twelve(tmp_path_factory.mktemp("incidents")) as made:
        yield made


@pytest.fixture(scope="module")
def held(office: Office) -> History:
    return history(office)


def press(office: Office, path: str, headers: dict[str, str] | None = None, **fields: Any) -> Response:
    files = {name: fields.pop(name) for name in list(fields) if isinstance(fields[name], tuple)}
    client = office.http if headers is None else office.nobody
    return client.post(path, data=fields, files=files or None, headers=headers, follow_redirects=False)


def test_the_list(office: Office, held: History) -> None:
    assert "2 sự cố đang mở" in said(page(office, "/incidents"))
    text = said(page(office, "/incidents/part"))
    assert text.index("Nhiều điểm cầu mất kết nối cùng lúc") < text.index("Không có hình"), "the worst first"
    assert "và 3 điểm cầu khác" in text and "Anh Tín (bảo trì)" in text
    assert "Không có hình" not in said(page(office, "/incidents/part", kind="connection"))
    assert "Nhiều điểm cầu" not in page(office, "/incidents/part", who="tin")
    assert "Không có hình" not in said(page(office, "/incidents/part", who="-"))
    assert "Không có sự cố nào khớp" in page(office, "/incidents", q="không có gì")
    assert page(office, "/incidents", which="nonsense", kind="x")
    rows = list(csv.reader(io.StringIO(office.http.get("/incidents/table.csv").content.decode("utf-8-sig"))))
    assert len(rows) == 3 and rows[2][0] == held.incident and rows[2][6] == "Anh Tín (bảo trì)"


def test_one(office: Office, held: History) -> None:
    text = said(page(office, f"/incidents/{held.incident}"))
    for what in (
        "Thiết bị báo mất hình từ camera.",
        "cắm lại dây camera.",
        "Giao cho Anh Tín",
        "Giao ban tuần",
    ):
        assert what in text, what
    assert f"[{held.incident}]" in text and "Chưa xử lý xong." in text
    assert "Mất kết nối cùng lúc:" in said(page(office, f"/incidents/{held.shared}"))
    assert "There is no incident sc-99." in page(office, "/incidents/sc-99", 404, lang="en")
    page(office, "/incidents")


def test_report_one_by_hand(office: Office, held: History) -> None:
    site = held.sites[5]
    assert f'value="{site}" selected' in page(office, "/incidents/new", site=site)
    wrong = press(office, "/incidents/new", site=site, kind="other", text="Loa kêu rè rè")
    assert wrong.status_code == 422 and "Xin ghi ngắn gọn điều gì hỏng." in wrong.text
    assert "Loa kêu rè rè" in wrong.text and f'value="{site}" selected' in wrong.text
    wrong = press(office, "/incidents/new", site="", kind="", text="chữ đã gõ")
    assert wrong.status_code == 422 and "chữ đã gõ" in wrong.text
    done = press(
        office, "/incidents/new", site=site, kind="other", title="Loa rè", file=("a.png", PNG, "image/png")
    )
    assert done.status_code == 303, done.text
    path = done.headers["location"]
    text = page(office, path)
    [address] = re.findall(r'<img class="incident-picture" src="([^"]+)"', text)
    assert office.http.get(address).content == PNG
    refused = press(office, "/incidents/new", site=site, kind="power", file=("a.exe", b"MZ", "x/y"))
    assert refused.status_code == 303, "the incident counts more than its file"
    assert "Mất điện" in page(office, refused.headers["location"])


def test_from_note_to_closing(office: Office, held: History) -> None:
    path = f"/incidents/{held.shared}"
    assert "Xin ghi điều đã thấy" in press(office, f"{path}/entries", entry="yes", text="").text
    assert press(office, f"{path}/entries", entry="yes", text="Đứt cáp ở đèo.").status_code == 303
    bad = press(office, f"{path}/entries", entry="yes", text="kèm tệp", file=("a.exe", b"MZ", "x/y"))
    assert bad.status_code == 422 and "Loại tệp này không nhận được" in bad.text and "kèm tệp" in bad.text
    big = press(office, f"{path}/entries", entry="yes", file=("a.pdf", b"%PDF-" + bytes(MAX_BYTES), "x/y"))
    assert big.status_code in (413, 422) and "{" not in said(big.text)[:200]
    assert press(office, f"{path}/assign", user="nobody").status_code == 422
    assert press(office, f"{path}/assign", user="tin").status_code == 303
    wrong = press(office, f"{path}/close", resolution=" ")
    assert wrong.status_code == 422 and "Xin ghi đã xử lý như thế nào." in wrong.text
    assert press(office, f"{path}/close", resolution="Nối lại cáp.").status_code == 303
    again = press(office, f"{path}/close", resolution="Tôi cũng nối.")
    assert again.status_code == 409 and "vừa được người khác đóng" in again.text
    text = said(page(office, path))
    assert "Nối lại cáp." in text and "Mở lại sự cố" in text and "Đã xử lý lúc" in text
    assert press(office, f"{path}/reopen", why="Lại đứt.").status_code == 303
    assert "Lại đứt." in page(office, path)


def test_a_contractors_phone(office: Office, held: History) -> None:
    tin = {"Authorization": f"Bearer {office.add('users/tin/token')['token']}"}
    text = said(office.nobody.get("/incidents", headers=tin).text)
    assert "Không có hình" in text and "Loa rè" not in text and "Báo sự cố" not in text
    path = f"/incidents/{held.incident}"
    mine = office.nobody.get(path, headers=tin)
    assert mine.status_code == 200 and 'href="tel:' in mine.text and "Ghi thêm" in mine.text
    assert "Đóng sự cố" not in mine.text and "/meetings/" not in mine.text
    assert press(office, f"{path}/entries", tin, entry="yes", text="Đã thay dây.").status_code == 303
    assert press(office, f"{path}/close", tin, resolution="x").status_code == 403
    other = office.get("incidents?q=loa")[0]["id"]
    assert office.nobody.get(f"/incidents/{other}", headers=tin).status_code == 404
    assert office.nobody.get(f"/sites/{held.sites[1]}", headers=tin).status_code == 200, "its site, too"
