"""Reports and incidents in Chromium: every width, live, copied for Zalo, printed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.page_checks import chromium, window
from tests.system.report_history import History, history
from tests.system.served_office import ServedOffice, served_office

SEEN_MS = 3000


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOffice]:
    with served_office(tmp_path_factory.mktemp("report"), 12) as office:
        yield office


@pytest.fixture(scope="module")
def held(office: ServedOffice) -> History:
    return history(office)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("width", [360, 1366, 3840])
def test_every_width(office: ServedOffice, browser: Browser, held: History, width: int) -> None:
    with window(browser, office.url, office.token, width) as opened:
        for path in (
            f"/meetings/{held.occurrence}/report",
            f"/meetings/{held.occurrence}/report/{held.sites[1]}",
            "/reports",
            "/reports/sites",
            "/incidents",
            f"/incidents/{held.incident}",
            f"/incidents/{held.shared}",
            "/incidents/new?lang=en",
            "/reports?lang=vi",
        ):
            opened.page.goto(office.url + path)
            for details in opened.page.locator("#history details").all():
                details.evaluate("element => { element.open = true }")
            opened.check(axe=width != 3840)


def test_an_incident_appears_where_somebody_looks(
    office: ServedOffice, browser: Browser, held: History
) -> None:
    with window(browser, office.url, office.token, 1366) as opened:
        opened.page.goto(f"{office.url}/incidents")
        opened.page.wait_for_timeout(300)
        office.add("incidents", site=held.sites[4], kind="other", title="Máy chiếu không lên")
        expect(opened.page.get_by_text("Máy chiếu không lên")).to_be_visible(timeout=SEEN_MS)


def test_copied_and_printed(office: ServedOffice, browser: Browser, held: History) -> None:
    with window(browser, office.url, office.token, 1366) as opened:
        page = opened.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=office.url)
        page.goto(f"{office.url}/meetings/{held.occurrence}/report")
        page.get_by_role("button", name="Chép để gửi Zalo").click()
        page.wait_for_timeout(200)
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("Kết quả kết nối: Giao ban tuần") and "5/6 điểm cầu" in copied
        page.emulate_media(media="print")
        expect(page.get_by_role("button", name="In biên bản")).to_be_hidden()
        expect(page.get_by_text("THƯ KÝ")).to_be_visible()
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
