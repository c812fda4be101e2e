"""The board in Chromium: it fits every screen, is live under load, and works without JavaScript."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from diemcau_controller.actions.ingest import Taken
from diemcau_wire.topics import Channel
from playwright.sync_api import Browser, Page, expect

from tests.browser.page_checks import chromium, window
from tests.system.big_fleet import verdict
from tests.system.broker_fleet import broker_fleet
from tests.system.served_office import ServedOffice, served_office

HEALTH_PER_S = 17
VISIBLE_S = 2.0
LOADS = 5
SIZES = (3, 168)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, ServedOffice]]:
    with (
        served_office(tmp_path_factory.mktemp("few"), 3) as few,
        served_office(tmp_path_factory.mktemp("middle"), 24) as middle,
        served_office(tmp_path_factory.mktemp("many"), 168) as many,
    ):
        yield {3: few, 24: middle, 168: many}


def tell(office: ServedOffice, number: int, seq: int, word: str, instruction: str = "") -> None:
    now = datetime.now(UTC)
    office.say([Taken(Channel.EVENT, verdict(number, seq, now, word, instruction))])


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("width", [360, 1366, 3840])
def test_every_width(offices: dict[int, ServedOffice], browser: Browser, width: int, count: int) -> None:
    office = offices[count]
    with window(browser, office.url, office.token, width) as opened:
        expect(opened.page.locator(".tile")).to_have_count(count)
        opened.check(axe=count == 3 or width == 360)  # of 168 tiles axe needs 15 s each time


@pytest.mark.parametrize(
    "address", ["/?by=area&lang=en", "/?wall=1&lang=vi", "/?q=khong+co+dau", "/?tone=bad"]
)
def test_every_form_of_it(offices: dict[int, ServedOffice], browser: Browser, address: str) -> None:
    office = offices[168]
    with window(browser, office.url, office.token, 1366) as opened:
        opened.page.goto(office.url + address)
        opened.check()


def test_twenty_four_sites_fit_a_desk(offices: dict[int, ServedOffice], browser: Browser) -> None:
    office = offices[24]
    with window(browser, office.url, office.token, 1366) as opened:
        assert opened.page.evaluate("document.documentElement.scrollHeight") <= 768


def test_search_as_one_types_and_the_way_back(offices: dict[int, ServedOffice], browser: Browser) -> None:
    office = offices[168]
    with window(browser, office.url, office.token, 360) as opened:
        page = opened.page
        page.keyboard.press("/")
        page.keyboard.type("0900000011", delay=20)
        expect(page.locator(".tile")).to_have_count(1)
        assert page.evaluate("document.activeElement.id") == "q", "one types on"
        assert "q=0900000011" in page.url
        page.reload()
        expect(page.locator(".tile")).to_have_count(1)
        tell(office, 40, 2, "not_ready", "camera_missing")
        page.wait_for_timeout(1500)
        expect(page.locator(".tile")).to_have_count(1)
        page.locator("#q").fill("")
        expect(page.locator(".tile")).to_have_count(168)
        opened.check(axe=False)


def test_without_javascript(offices: dict[int, ServedOffice], browser: Browser) -> None:
    office = offices[168]
    with window(browser, office.url, office.token, 1366, java_script_enabled=False) as opened:
        page = opened.page
        page.locator("#q").fill("0900000011")
        page.get_by_role("button", name="Lọc").click()
        expect(page.locator(".tile")).to_have_count(1)
        page.goto(office.url)
        page.locator("#tone-bad").click()
        assert page.locator(".tile").count() == page.locator(".tile.bad").count() > 0


def test_a_change_keeps_where_one_is(offices: dict[int, ServedOffice], browser: Browser) -> None:
    """The tile with the focus moves to the top, and keeps it; pictures that stay are not fetched again."""
    office = offices[24]
    with window(browser, office.url, office.token, 1366) as opened:
        page = opened.page
        page.locator("#open-s00005").focus()
        tell(office, 5, 2, "not_ready", "microphone_silent")
        expect(page.locator(".tile").nth(0)).to_have_class("tile bad", timeout=VISIBLE_S * 1000)
        expect(page.locator("#site-s00005")).to_contain_text("Bật công tắc micrô")
        assert page.evaluate("document.activeElement.id") == "open-s00005"
        page.keyboard.press("Enter")
        page.wait_for_url("**/sites/s00005")
        tell(office, 5, 3, "ready")


def test_a_call_to_check_says_what_comes_of_it(offices: dict[int, ServedOffice], browser: Browser) -> None:
    office = offices[24]
    office.post.answering = office.controller
    with window(browser, office.url, office.token, 1366) as opened:
        page = opened.page
        page.locator("#site-s00007").hover()
        page.locator("#check-s00007").click()
        expect(page.locator("#said")).to_contain_text("Đã gọi")
        tell(office, 7, 2, "not_ready", "camera_missing")
        expect(page.locator("#site-s00007")).to_contain_text("vừa kiểm tra", timeout=VISIBLE_S * 1000)
        office.post.answering = None
        opened.check(axe=False)


def load_ms(browser: Browser, office: ServedOffice) -> float:
    """Until the page is loaded and its last tile is laid out, with nothing kept from before."""
    with window(browser, office.url, office.token, 1366) as opened:
        page = opened.page
        session = page.context.new_cdp_session(page)
        session.send("Network.clearBrowserCache")
        began = time.perf_counter()
        page.goto(office.url, wait_until="load")
        page.evaluate("document.querySelector('.board').lastElementChild.getBoundingClientRect().bottom")
        return (time.perf_counter() - began) * 1000


def test_the_first_load_of_many(offices: dict[int, ServedOffice], browser: Browser) -> None:
    took = {count: [load_ms(browser, offices[count]) for _ in range(LOADS)] for count in SIZES}
    few, many = (statistics.median(took[count]) for count in SIZES)
    print(f"first load: {few:.0f} ms with 3 sites, {many:.0f} ms with 168: {many / few:.2f} times")
    assert many <= 3 * few


@pytest.mark.namespace
def test_a_change_is_seen_while_a_whole_fleet_measures(tmp_path: Path, browser: Browser) -> None:
    """Through the real broker and a real controller, 168 units, 17 measurements a second. Other work on this
    machine may hold up a single change, so the middle one counts."""
    with (
        broker_fleet(tmp_path / "fleet", 168, HEALTH_PER_S) as fleet,
        window(browser, fleet.url, fleet.token, 1366) as opened,
    ):
        page, took = opened.page, []
        for seq, number in enumerate(fleet.numbers[20:26], 2):
            page.wait_for_timeout(1700)
            began = time.monotonic()
            fleet.say(Channel.EVENT, verdict(number, seq, datetime.now(UTC), "not_ready", "camera_frozen"))
            seen(page, f"s{number:05d}")
            took.append(time.monotonic() - began)
        page.wait_for_timeout(300)
        print(f"{fleet.sent} measurements; a change was seen after {[round(one, 2) for one in took]} s")
        assert statistics.median(took) <= VISIBLE_S
        opened.check(axe=False)


def seen(page: Page, site: str) -> None:
    expect(page.locator(f"#site-{site}")).to_contain_text("Rút dây camera", timeout=10_000)
