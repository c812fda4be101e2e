"""Pictures of a meeting and of an urgent one: three real units, their screens, the pages beside them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from diemcau_controller.demo.halls import MAIN, SITES, halls
from diemcau_controller.demo.network import set_up
from diemcau_controller.demo.stage import Stage

from tests.browser.page_checks import chromium
from tests.lab.camera import PERSON, Camera, camera

PATIENCE_S = 150
SPEAKER, ASKS = (site for site in SITES if site != MAIN)
PEOPLE = (
    ("Y Bhăm Niê", "Chủ tịch UBND xã", "present", ""),
    ("H'Lan Mlô", "Phó Chủ tịch HĐND", "substitute", "Nguyễn Thị Hường"),
)
# A centre without a unit of its own, so that there is somebody to telephone.
FAR = {"name": "Nguyễn Văn Sơn", "phone": "0905 123 456"}


def photograph_meetings(root: Path, folder: Path) -> None:
    """Write the pictures into `folder`; `root` is for the stage."""
    root.mkdir()
    with Stage(root, halls({}, {}), set_up(0), []) as stage:
        stage.start_services(_deadline())
        stage.add_sites()
        stage.api.post(
            "/api/v1/sites",
            {
                "id": "buon-kdoh",
                "name": "Nhà văn hóa buôn Kdoh",
                "area": f"dia-ban-{SPEAKER}",
                "contacts": [FAR],
            },
        )
        stage.start_units(_deadline())
        meeting = stage.add_meeting("Giao ban tuần 47", 5, 900, opens_before_s=60)
        stage.api.post("/api/v1/users", PERSON)
        token = stage.api.post(f"/api/v1/users/{PERSON['name']}/token", {})["token"]
        with chromium() as browser, camera(browser, stage.api.url, token, folder) as taking:
            _ordinary(stage, meeting, taking, folder)
            _urgent(stage, taking, folder)


def _ordinary(stage: Stage, meeting: str, taking: Camera, folder: Path) -> None:
    api, address = stage.api, f"/api/v1/meetings/{meeting}"
    stage.wait("not every unit joined", lambda: _all_in(stage), _deadline())
    hall = _path(api.get(f"{address}/halls/{ASKS}/link"))
    api.post(f"{address}/floor", {"verb": "grant", "site": SPEAKER})
    for name, position, status, stands_for in PEOPLE:
        person = {"site": ASKS, "name": name, "position": position, "status": status}
        api.post(f"{address}/attendees", person | ({"stands_for": stands_for} if stands_for else {}))
    taking.take("hall", hall, "phone", stranger=True)
    api.post(f"{address}/hands", {"site": ASKS, "text": "Kinh phí sửa kênh mương thôn 4 khi nào có?"})
    chair = _path(api.post(f"{address}/chair-link", {}))
    stage.pause(3, _deadline())
    stage.snapshots({hall.id: folder / f"unit-{hall.id}.png" for hall in stage.halls})
    for hall_shown in stage.halls:
        unit = api.get(f"/api/v1/sites/{hall_shown.id}")["unit"]["id"]
        api.post(f"/api/v1/units/{unit}/commands", {"verb": "picture"})
    taking.take("hall-waiting", hall, "phone", stranger=True)
    taking.take("hall-people", hall, "phone", stranger=True, anchor="#people")
    taking.take("chair", chair, stranger=True)
    taking.take("board", "/")
    taking.take("meeting", f"/meetings/{meeting}")
    taking.take("meeting-halls", f"/meetings/{meeting}", "phone", anchor="#halls")
    taking.take("chair-link", f"/meetings/{meeting}/chair-link")
    taking.take("meeting-close", f"/meetings/{meeting}/close")
    stage.tend()
    api.post(f"{address}/close", {})
    stage.pause(8, _deadline())
    taking.take("report", f"/meetings/{meeting}/report")
    taking.take("report-hall", f"/meetings/{meeting}/report/{ASKS}")


def _urgent(stage: Stage, taking: Camera, folder: Path) -> None:
    taking.take("urgent-new", "/urgent")
    page, deadline = taking.page("desk"), _deadline()
    page.locator("#title").fill("Ứng phó lũ trên sông Sêrêpốk")
    page.get_by_role("button", name="Bắt đầu họp khẩn ngay").click()
    page.wait_for_url("**/urgent/m*")
    meeting = page.url.rsplit("/", 1)[1]
    stage.pause(5, deadline)
    stage.snapshots({ASKS: folder / "unit-urgent.png"})
    hall = _path(stage.api.get(f"/api/v1/meetings/{meeting}/halls/{ASKS}/link"))
    taking.take("hall-urgent", hall, "phone", stranger=True)
    taking.take("urgent-ringing", f"/urgent/{meeting}")
    stage.wait("not every unit came", lambda: _all_in(stage), deadline)
    stage.pause(2, deadline)
    taking.take("urgent", f"/urgent/{meeting}")


def _all_in(stage: Stage) -> bool:
    statuses = [stage.unit_status(hall.id) for hall in stage.halls]
    return all(status and status["session"]["state"] == "in_meeting" for status in statuses)


def _path(link: dict[str, Any]) -> str:
    """The part of a link that is the same whoever serves it."""
    return "/" + str(link["url"]).split("/", 3)[3]


def _deadline() -> float:
    return time.monotonic() + PATIENCE_S
