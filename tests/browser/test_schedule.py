"""The schedule in Chromium: every width, axe, and a secretary who announces a meeting that is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.page_checks import HEIGHTS, chromium, window
from tests.system.served_office import ServedOffice, served_office

LONG = "Hội nghị trực tuyến triển khai công tác phòng, chống thiên tai và tìm kiếm cứu nạn năm 2026 toàn tỉnh"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOffice]:
    with served_office(tmp_path_factory.mktemp("schedule"), 24) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def monday() -> datetime:
    """Midnight of next Monday, by the wall clock."""
    now = datetime.now(UTC).astimezone(ZoneInfo("Asia/Ho_Chi_Minh")).replace(tzinfo=None)
    return (now + timedelta(days=7 - now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture(scope="module")
def weekly(office: ServedOffice) -> str:
    """Every Monday 8:00, one date moved, one skipped, one document; and a long day elsewhere."""
    day = monday()
    made = office.add(
        "meetings",
        title=LONG,
        starts_at=(day + timedelta(hours=8)).isoformat(),
        duration_s=5400,
        main_site=office.sites[0],
        rrule="FREQ=WEEKLY;BYDAY=MO",
        chair="Ông Y Khoa Niê Kdăm, Phó Chủ tịch thường trực",
    )["id"]
    name = f"{made}-{day + timedelta(days=7):%Y%m%d}T080000"
    office.add(
        f"meetings/{name}/move",
        starts_at=(day + timedelta(days=8, hours=9)).isoformat(),
        reason="Đoàn kiểm tra",
    )
    office.add(f"meetings/{made}-{day + timedelta(days=14):%Y%m%d}T080000/skip", reason="Nghỉ lễ")
    office.add(
        "meetings",
        title="Diễn tập",
        starts_at=(day + timedelta(days=2, hours=7)).isoformat(),
        duration_s=9 * 3600,
        main_site=office.sites[0],
        mode="in_person",
        security_subject=True,
    )
    office.http.post(f"/api/v1/meetings/{made}/attachments", files={"file": (f"{LONG}.pdf", b"%PDF-1.7")})
    return str(made)


@pytest.mark.parametrize("width", HEIGHTS)
def test_every_page_at_every_width(office: ServedOffice, browser: Browser, weekly: str, width: int) -> None:
    week = f"{monday():%G-W%V}"
    moved = f"{weekly}-{monday() + timedelta(days=7):%Y%m%d}T080000"
    paths = ["/schedule", f"/schedule?week={week}", "/schedule/list", "/schedule/list?q=khongco"]
    paths += ["/meetings/new", f"/meetings/{weekly}/edit", f"/schedule/{weekly}?date={moved}"]
    with window(browser, office.url, office.token, width, bypass_csp=True) as watched:
        for path in paths:
            watched.page.goto(f"{office.url}{path}?lang=vi" if "?" not in path else office.url + path)
            watched.check(axe=width != 3840)


def test_a_meeting_in_the_way_is_announced_by_a_way_out(
    office: ServedOffice, browser: Browser, weekly: str
) -> None:
    with window(browser, office.url, office.token, 360) as watched:
        page = watched.page
        page.goto(f"{office.url}/schedule")
        page.get_by_role("link", name="Tạo cuộc họp", exact=True).first.click()
        page.fill("#title", "Họp phòng chống cháy rừng")
        page.fill("#date", monday().date().isoformat())
        page.fill("#start", "08:30")
        page.fill("#end", "09:30")
        expect(page.get_by_label("thứ Hai")).to_be_hidden()
        page.select_option("#repeat", "week")
        expect(page.get_by_label("thứ Hai")).to_be_visible()
        page.select_option("#repeat", "once")
        page.locator(".everybody input").uncheck()
        page.locator(f'input[name="invite"][value="site:{office.sites[1]}"]').check()
        expect(page.locator("#invited")).to_contain_text("2 điểm cầu")
        page.get_by_role("button", name="Tạo cuộc họp").click()
        expect(page.get_by_role("alert")).to_contain_text("Một số điểm cầu đã có cuộc họp khác")
        expect(page.locator("#title")).to_have_value("Họp phòng chống cháy rừng")
        page.get_by_role("button", name="Họp lúc 09:30").click()
        expect(page.locator("main")).to_contain_text("Đã tạo cuộc họp")
        page.get_by_role("link", name="Sửa cuộc họp").click()
        page.fill("#place", "Phòng họp số 2")
        page.get_by_role("button", name="Lưu thay đổi").click()
        expect(page.locator("main")).to_contain_text("Đã lưu thay đổi")
        page.go_back()  # shows what is true now, so that saving again takes nothing back
        expect(page.locator("#place")).to_have_value("Phòng họp số 2")
        page.fill("#notes", "Mang theo báo cáo")
        page.get_by_role("button", name="Lưu thay đổi").click()
        expect(page.locator("main")).to_contain_text("Mang theo báo cáo")
    made = [one for one in office.get("meetings") if one["title"] == "Họp phòng chống cháy rừng"]
    assert [one["starts_local"][11:] for one in made] == ["09:30:00"]


def test_the_week_changes_by_itself(office: ServedOffice, browser: Browser, weekly: str) -> None:
    with window(browser, office.url, office.token, 1366) as watched:
        page = watched.page
        page.goto(f"{office.url}/schedule?week={monday():%G-W%V}")
        expect(page.locator("#week")).to_contain_text(LONG)
        office.add(
            "meetings",
            title="Vừa mới thêm",
            starts_at=(monday() + timedelta(days=4, hours=14)).isoformat(),
            duration_s=3600,
            main_site=office.sites[2],
            sites=[],
        )
        expect(page.locator("#week")).to_contain_text("Vừa mới thêm", timeout=5000)
        watched.check(axe=False)
