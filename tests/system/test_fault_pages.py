"""What checks found: on the site's page, what failed most, in the API, as a table, and to be sent on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from diemcau_wire.messages import EventKind
from PIL import Image

from .office import Office, event, furnished, online

FINDINGS = [
    {"what": "camera_black", "text": "luma 2 of 255", "remedy": "reopen_camera", "mended": False},
    {"what": "sound_muted", "text": "", "remedy": "unmute_sound", "mended": True},
    {"what": "hot", "text": "81 °C", "remedy": "", "mended": None, "weight": "remark"},
    {"what": "something_new", "text": "<b>", "remedy": "magic", "mended": False},
]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with furnished(tmp_path_factory.mktemp("faults")) as made:
        online(made)
        verdict = {"verdict": "not_ready", "instruction": "camera_black", "findings": FINDINGS}
        made.hear(
            event(made, 1, EventKind.VERDICT, **verdict),
            event(made, 2, EventKind.CAMERA_OPENED),
            event(made, 3, EventKind.LOCAL_MUTE, on=True),
        )
        yield made


def test_every_finding_with_what_was_tried(office: Office) -> None:
    page = office.http.get("/sites/ea-kiet").text
    for said in (
        "Mở nắp ống kính camera",
        "Máy đã thử nhưng chưa được: mở lại camera.",
        "Máy đã tự khắc phục: bật lại loa.",
        "something_new",
        "luma 2 of 255",
        "Camera đang bật ngoài cuộc họp.",
        "Phòng họp đã tự tắt micrô.",
        "Camera, 30 ngày: 1 ngày chưa sẵn sàng",
    ):
        assert said in page, said
    assert "<b>" not in page


def test_text_and_picture_to_be_sent_on(office: Office) -> None:
    page = office.http.get("/sites/ea-kiet?lang=en").text
    text = page.partition('id="zalo"')[2].partition(">")[2].partition("</pre>")[0]
    assert text.startswith("Xã Ea Kiết chưa sẵn sàng họp.") and "Việc cần làm: Mở nắp" in text
    assert "0905" in text and "camera_black" not in text and "://" not in text
    answer = office.http.get("/sites/ea-kiet/notice.png")
    assert answer.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (1080, 810) and len(picture.getcolors(100_000) or []) > 20
    office.http.get("/sites/ea-kiet?lang=vi")


def test_what_failed_most(office: Office) -> None:
    found = office.get("faults")
    assert found["checks"] == {"ready": 0, "remark": 0, "not_ready": 1} and found["sites"] == 2
    by_word = {one["what"]: one for one in found["faults"]}
    assert by_word["sound_muted"]["mended"] == 1 and by_word["hot"]["remark"] == 1
    assert by_word["camera_black"]["worst"] == [{"site": "ea-kiet", "days": 1}]
    assert office.get("faults?area=xa-ea-kiet")["sites"] == 1
    assert office.http.get("/api/v1/faults?area=khong-co").status_code == 404
    page = office.http.get("/faults?area=xa-ea-kiet&days=7").text
    assert "hình camera tối đen" in page and 'href="/sites/ea-kiet"' in page
    table = office.http.get("/faults/table.csv").text
    assert "hình camera tối đen" in table and "Xã Ea Kiết (1)" in table
    assert "Không có lỗi nào" in office.http.get("/faults?days=khong").text or "hình camera" in page
    checks = office.get("sites/ea-kiet/checks")
    assert checks["days"]["camera"][-1]["tone"] == "bad" and checks["days"]["line"][-1]["tone"] == "good"
    assert len(checks["days"]["room"]) == 30
    assert checks["days"]["room"][-1]["day"] == datetime.fromisoformat("2026-03-02").date().isoformat()


def test_who_is_bound_to_an_area_sees_its_own(office: Office, tmp_path: Path) -> None:
    office.add("areas", name="Xã Khác", tier="xã")
    office.add("users", name="khac", role="viewer", area="xa-khac")
    token = office.add("users/khac/token")["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert office.nobody.get("/api/v1/faults", headers=headers).json()["faults"] == []
    assert "hình camera" not in office.nobody.get("/faults", headers=headers).text
    assert office.nobody.get("/api/v1/sites/ea-kiet/checks", headers=headers).status_code == 404
    assert office.nobody.get("/sites/ea-kiet/notice.png", headers=headers).status_code == 404
