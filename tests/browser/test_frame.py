"""The frame of every page: renews itself, tells of a lost server, leads to the log-in when that ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.browser.room_page import FLAGS
from tests.system.served_office import ServedOffice, served_office

SEEN_MS = 15_000  # how soon a change is seen is measured in test_board.py, by a median
TOLD_MS = 8000


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOffice]:
    with served_office(tmp_path_factory.mktemp("frame"), 3) as office:
        yield office


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def board(office: ServedOffice, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.goto(f"{office.url}/?token={office.token}")
    until(lambda: listeners(office) == 1)
    yield page
    context.close()
    until(lambda: listeners(office) == 0)


def listeners(office: ServedOffice) -> int:
    return len(office.controller.news._listeners)


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TOLD_MS / 1000
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def rename(office: ServedOffice, name: str) -> None:
    answer = office.http.patch(f"/api/v1/sites/{office.sites[0]}", json={"name": name})
    assert answer.is_success, answer.text


def look(page: Page, hidden: bool) -> None:
    """The tab goes to the background, or comes back."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_change_is_seen_without_reload_and_nothing_comes_from_elsewhere(
    office: ServedOffice, browser: Browser
) -> None:
    context = browser.new_context()
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{office.url}/?token={office.token}")
    until(lambda: listeners(office) == 1)
    page.evaluate("window.before = true")
    rename(office, "Xã Ea Kiết mới")
    expect(page.get_by_text("Xã Ea Kiết mới").first).to_be_visible(timeout=SEEN_MS)
    assert page.evaluate("window.before")
    assert not said
    assert all(url.startswith(office.url) for url in asked)
    context.close()
    until(lambda: listeners(office) == 0)


def test_a_tab_nobody_looks_at_holds_no_connection_and_catches_up(office: ServedOffice, board: Page) -> None:
    look(board, hidden=True)
    until(lambda: listeners(office) == 0)
    rename(office, "Xã Cư Suê")
    board.wait_for_timeout(1500)
    assert not board.get_by_text("Xã Cư Suê").count()
    look(board, hidden=False)
    expect(board.get_by_text("Xã Cư Suê").first).to_be_visible(timeout=SEEN_MS)


def test_a_lost_server_is_told_of_and_its_return_brings_what_changed(
    office: ServedOffice, board: Page
) -> None:
    expect(board.locator("#stale")).to_be_hidden()
    board.context.set_offline(True)
    expect(board.locator("#stale")).to_be_visible(timeout=TOLD_MS)
    rename(office, "Xã Ea Tar")
    board.context.set_offline(False)
    expect(board.get_by_text("Xã Ea Tar").first).to_be_visible(timeout=TOLD_MS)
    expect(board.locator("#stale")).to_be_hidden()


def test_a_fault_of_the_server_is_told_until_it_is_over(office: ServedOffice, board: Page) -> None:
    def fault(route: Route) -> None:
        if route.request.headers.get("hx-request"):
            route.fulfill(status=500, body="<h1>fault</h1>")
        else:
            route.continue_()

    board.route("**/*", fault)
    rename(office, "Xã Quảng Hiệp")
    expect(board.locator("#notice")).to_contain_text("Máy chủ gặp lỗi", timeout=SEEN_MS)
    board.unroute("**/*")
    rename(office, "Xã Quảng Tiến")
    expect(board.get_by_text("Xã Quảng Tiến").first).to_be_visible(timeout=SEEN_MS)
    expect(board.locator("#notice")).to_be_hidden()


def test_an_ended_log_in_leads_to_the_log_in_and_back(office: ServedOffice, board: Page) -> None:
    board.context.clear_cookies()
    rename(office, "Xã Cư M'gar")
    board.wait_for_url("**/login?next=*", timeout=TOLD_MS)
