"""The pages of sites in Chromium: at every width, by keyboard and screen reader, and a day's import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.page_checks import gave_way
from tests.browser.room_page import FLAGS
from tests.system.served_office import ServedOffice, served_office

AXE = Path(__file__).parents[2] / "controller/frontend/node_modules/axe-core/axe.min.js"
WIDTHS = ((360, 740), (1366, 768), (3840, 2160))
LONG = (
    "Hội trường trung tâm văn hóa thể thao và học tập cộng đồng liên xã Ea Kiết – Quảng Hiệp – Cư Dliê Mnông"
)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOffice]:
    with served_office(tmp_path_factory.mktemp("sites"), 168) as made:
        contacts = [{"name": "Nguyễn Thị Hoàng Oanh " * 3, "phone": "0905 123 456", "task": "kỹ thuật"}]
        made.add("sites", id="dai", name=LONG, contacts=contacts)
        made.add("groups", id="cum", name="Cụm phía Bắc", sites=["dai", made.sites[0]])
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(office: ServedOffice, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1366, "height": 768}, bypass_csp=True)  # for axe itself
    page = context.new_page()
    page.goto(f"{office.url}/?token={office.token}")
    yield page
    context.close()


def paths(office: ServedOffice) -> list[str]:
    area = office.get("areas")[0]["id"]
    fixed = ["", "?q=dai", f"?area={area}", "/new", "/groups", "/groups/cum", "/areas", "/import"]
    return [*fixed, "/dai", "/dai/edit", "/dai/remove", f"/{office.sites[0]}", f"/areas/{area}"]


def test_nothing_is_clipped_or_said_wrong_at_any_width(office: ServedOffice, page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for path in paths(office):
        page.goto(f"{office.url}/sites{path}", wait_until="load")
        for width, height in WIDTHS:
            page.set_viewport_size({"width": width, "height": height})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"/sites{path} scrolls sideways at {width}: {wide}"
        text = page.inner_text("main")
        assert "sites." not in text and "None" not in text
    assert [text for text in said if not gave_way(text)] == []


def test_axe_finds_nothing_serious(office: ServedOffice, page: Page) -> None:
    found: list[str] = []
    for path in paths(office):
        page.goto(f"{office.url}/sites{path}")
        page.add_script_tag(path=AXE)
        result: Any = page.evaluate("axe.run({resultTypes: ['violations']})")
        for one in result["violations"]:
            if one["impact"] in ("serious", "critical"):
                found.append(f"/sites{path}: {one['id']}: {one['nodes'][0]['html'][:160]}")
    assert found == []


def test_typing_finds_without_diacritics(office: ServedOffice, page: Page) -> None:
    page.goto(f"{office.url}/sites")
    expect(page.locator("#found tbody tr")).to_have_count(50)
    page.keyboard.press("/")
    page.keyboard.type("hoc tap cong dong")
    expect(page.locator("#found tbody tr")).to_have_count(1)
    expect(page).to_have_url(f"{office.url}/sites?q=hoc%20tap%20cong%20dong&show=")
    page.reload()
    expect(page.locator("#found tbody th")).to_have_text(LONG)


def test_from_a_table_to_a_site_and_back_out(office: ServedOffice, page: Page) -> None:
    page.goto(f"{office.url}/sites/import")
    wrong = {"name": "sai.csv", "mimeType": "text/csv", "buffer": "Mã,Tên\ndai,Trùng\n".encode()}
    page.set_input_files("#file", files=[wrong])
    page.get_by_role("button", name="Xem trước").click()
    expect(page.locator("main")).to_contain_text("Mã điểm cầu “dai” đã có")
    page.get_by_role("button", name="Bỏ tệp này").click()
    table = "Tên,Địa bàn,Đầu mối,Điện thoại\nHội trường Tân An,Phường Tân An,Lan,905123456\n"
    right = {"name": "dung.csv", "mimeType": "text/csv", "buffer": table.encode("utf-16")}
    page.set_input_files("#file", files=[right])
    page.get_by_role("button", name="Xem trước").click()
    page.get_by_role("button", name="Thêm cả 1 điểm cầu").click()
    expect(page.locator("main .message.good")).to_contain_text("Đã thêm 1 điểm cầu. Đã tạo 1 địa bàn mới.")
    page.go_back()
    expect(page.locator("main")).to_contain_text("không còn được giữ")
    page.goto(f"{office.url}/sites/hoi-truong-tan-an")
    expect(page.locator('a[href="tel:0905123456"]')).to_be_visible()
    page.get_by_role("link", name="Gỡ điểm cầu").click()
    page.get_by_role("button", name="Gỡ điểm cầu").click()
    expect(page.locator("main .message")).to_contain_text("Đã gỡ điểm cầu “Hội trường Tân An”")


def test_a_site_renews_itself(office: ServedOffice, page: Page) -> None:
    page.goto(f"{office.url}/sites/dai")
    expect(page.locator("#now")).to_contain_text("0905 123 456")
    page.wait_for_timeout(500)  # the stream opens after the page
    contacts = [{"name": "Y Bhin", "phone": "0977 000 111"}]
    assert office.http.patch("/api/v1/sites/dai", json={"contacts": contacts}).is_success
    expect(page.locator("#now")).to_contain_text("0977 000 111", timeout=3000)


def test_without_javascript(office: ServedOffice, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{office.url}/?token={office.token}")
    page.goto(f"{office.url}/sites")
    page.fill("#q", "dai hoc tap")
    page.get_by_role("button", name="Tìm").click()
    page.goto(f"{office.url}/sites/new")
    page.fill("#name", "Hội trường không kịch bản")
    page.get_by_role("button", name="Thêm điểm cầu").click()
    expect(page.locator("h1")).to_have_text("Hội trường không kịch bản")
    context.close()
