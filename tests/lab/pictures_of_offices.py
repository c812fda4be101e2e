"""Pictures of the pages about many sites: an office of 24 with its week and its past, the board of 168."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.browser.page_checks import chromium
from tests.lab.camera import PERSON, Camera, camera
from tests.system.checked_room import checked_room
from tests.system.report_history import history
from tests.system.served_office import ServedOffice, served_office

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
TABLE = """Mã,Tên,Địa bàn,Đầu mối,Điện thoại
xa-cu-dlie-mnong,Xã Cư Dliê M'nông,{area},Y Bhin Niê,0905 123 456
xa-quang-hiep,Xã Quảng Hiệp,{area},Trần Thị Mai,0905 123 457
{taken},Xã trùng mã,{area},Lê Văn Hòa,0905 123 458
xa-ea-tar,,{area},H'Lan Ayun,0905
"""


def photograph_offices(root: Path, folder: Path) -> None:
    """Write the pictures into `folder`; `root` is for the databases."""
    for name in ("few", "many"):
        (root / name).mkdir()
    with (
        served_office(root / "few", 24) as few,
        served_office(root / "many", 168) as many,
        chromium() as browser,
    ):
        with camera(browser, few.url, _person(few), folder) as taking:
            _an_office(few, taking)
        with camera(browser, many.url, _person(many), folder) as taking:
            _week(many)
            taking.take("board-168", "/", "desk", "phone")
            taking.take("board-168", "/?wall=1", "wall")


def _person(office: ServedOffice) -> str:
    """Somebody from IT, by name; gives a token."""
    office.add("users", **PERSON)
    return str(office.add(f"users/{PERSON['name']}/token")["token"])


def _an_office(office: ServedOffice, taking: Camera) -> None:
    told, series = history(office), _week(office)
    office.add("users", name="lan", display_name="Trần Thị Lan", role="secretary")
    area = office.get("areas")[0]["id"]
    checked_room(office, told.sites[1])
    pages = {
        "schedule": "/schedule",
        "schedule-list": "/schedule/list",
        "schedule-one": f"/schedule/{series}",
        "sites": "/sites",
        "site": f"/sites/{told.sites[1]}",
        "site-devices": f"/sites/{told.sites[1]}/devices",
        "faults": "/faults",
        "site-edit": f"/sites/{told.sites[1]}/edit",
        "areas": "/sites/areas",
        "area": f"/sites/areas/{area}",
        "groups": "/sites/groups",
        "group": "/sites/groups/vung-sau",
        "import": "/sites/import",
        "incidents": "/incidents",
        "incident": f"/incidents/{told.incident}",
        "incident-new": "/incidents/new",
        "report-held": f"/meetings/{told.occurrence}/report",
        "reports": "/reports",
        "reports-sites": "/reports/sites",
        "users": "/users",
        "user-new": "/users/new",
        "audit": "/audit",
        "account": "/account",
    }
    for name, path in pages.items():
        taking.take(name, path)
    taking.take("login", "/login", stranger=True)
    taking.take("enter", _path(office.add("users/lan/link")), stranger=True)
    taking.take("schedule-new", "/meetings/new", whole=True)
    taking.take("import-mistakes", _table(taking, office, area))


def _week(office: ServedOffice) -> str:
    """Meetings of this week and the next; gives the id of the one that recurs."""
    monday = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    monday -= timedelta(days=monday.weekday())
    if monday + timedelta(days=3) < datetime.now(ZONE):
        monday += timedelta(days=7)
    main, sites = office.sites[0], office.sites
    chair = "Đ/c Nguyễn Văn Hà, Chủ tịch UBND"
    series = _announce(
        office,
        monday,
        0,
        8,
        "Giao ban tuần",
        rrule="FREQ=WEEKLY;BYDAY=MO",
        chair=chair,
        notes="Các xã báo cáo tiến độ.",
    )
    _announce(office, monday, 1, 14, "Tập huấn sổ hộ tịch điện tử", kind="tap-huan", sites=sites[:12])
    _announce(office, monday, 2, 8, "Họp với tỉnh về thu ngân sách", mode="elsewhere", sites=[main])
    _announce(office, monday, 3, 9, "Hội nghị triển khai vụ Đông Xuân", kind="hoi-nghi", chair=chair)
    _announce(office, monday, 4, 14, "Giao ban khối văn hóa – xã hội", sites=sites[:9])
    return series


def _announce(office: ServedOffice, monday: datetime, day: int, hour: int, title: str, **more: Any) -> str:
    at = monday + timedelta(days=day, hours=hour)
    if at < datetime.now(ZONE):
        at += timedelta(days=7)
    spec = {"starts_at": at.astimezone(UTC).isoformat(), "duration_s": 5400, "main_site": office.sites[0]}
    return str(office.add("meetings", title=title, **spec, **more)["id"])


def _table(taking: Camera, office: ServedOffice, area: str) -> str:
    """A table with two mistakes, sent for import; gives the address of what it would do."""
    page = taking.page("desk")
    page.goto(f"{office.url}/sites/import")
    rows = TABLE.format(area=area, taken=office.sites[2]).encode()
    page.set_input_files("#file", files=[{"name": "điểm cầu.csv", "mimeType": "text/csv", "buffer": rows}])
    page.get_by_role("button", name="Xem trước").click()
    page.wait_for_url("**/sites/import/*")
    return page.url.removeprefix(office.url)


def _path(link: dict[str, Any]) -> str:
    return "/" + str(link["url"]).split("/", 3)[3]
