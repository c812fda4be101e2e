"""Units are installed, replaced and locked out from pages: on a technician's phone, and in the office."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.page_checks import HEIGHTS, Watched, chromium, window
from tests.system.arriving_unit import ArrivingUnit
from tests.system.served_office import ServedOffice, served_office

PATIENCE_MS = 20_000
PASSWORD = "mưa rừng Tây Nguyên"
PHONE = {"width": 360, "height": 740}
AT_MOST_BYTES = 100_000


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOffice]:
    with served_office(tmp_path_factory.mktemp("enrolment"), 12) as made:
        made.add("sites", id="ea-kiet", name="Xã Ea Kiết")
        made.add("users", name="tuan", display_name="Lê Anh Tuấn", role="technician", sites=["ea-kiet"])
        made.add("users", name="an", role="operator")
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def phone(office: ServedOffice, browser: Browser) -> Iterator[Page]:
    """A phone with which nobody is logged in yet."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def administrator(office: ServedOffice, browser: Browser) -> Iterator[Watched]:
    with window(browser, office.url, office.token, 1366) as watched:
        yield watched


@pytest.fixture
def desk(administrator: Watched) -> Watched:
    """The administrator's window, at a desk, with nothing wrong on it so far."""
    administrator.wrong.clear()
    administrator.page.set_viewport_size({"width": 1366, "height": 768})
    return administrator


def order(office: ServedOffice, site: str, what: str) -> str:
    return str(office.add("work-orders", site=site, what=what, technician="tuan")["id"])


def token_of(office: ServedOffice, name: str) -> str:
    return str(office.add(f"users/{name}/token")["token"])


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()


def told(page: Page, text: str) -> None:
    expect(page.locator("main")).to_contain_text(text, timeout=PATIENCE_MS)


def confirm(part: Locator, name: str) -> None:
    """Press what asks once more, and say yes."""
    part.locator("summary", has_text=name).click()
    part.locator("details[open] .ask button").click()


def heavy(context: BrowserContext, page: Page) -> list[int]:
    """Bytes of each page that was opened, as they travel, from now on."""
    found: list[int] = []
    cdp = context.new_cdp_session(page)
    cdp.send("Network.enable")
    sizes: dict[str, int] = {}

    def got(event: dict[str, object]) -> None:
        sizes[str(event["requestId"])] = int(str(event["encodedDataLength"]))
        found[:] = [sum(sizes.values())]

    cdp.on("Network.loadingFinished", got)
    return found


def test_a_technician_scans_logs_in_and_sees_the_hall_get_ready(office: ServedOffice, phone: Page) -> None:
    order(office, "ea-kiet", "install")
    link = str(office.add("users/tuan/link")["url"]).split("/", 3)[3]
    phone.goto(f"{office.url}/{link}")
    phone.locator("#password").fill(PASSWORD)
    phone.locator("#again").fill(PASSWORD)
    press(phone, "Lưu mật khẩu và đăng nhập")
    phone.context.clear_cookies()  # the next day: the session has ended

    unit = ArrivingUnit(office)
    code = unit.ask()
    phone.goto(f"{office.url}/e#{code}")  # what the phone's camera opens
    expect(phone).to_have_url(f"{office.url}/login?next=%2Fe")
    phone.get_by_label("Tên đăng nhập").fill("tuan")
    phone.get_by_label("Mật khẩu").fill(PASSWORD)
    press(phone, "Đăng nhập")
    expect(phone.locator("#code")).to_have_value(f"{code[:3]} {code[3:6]} {code[6:]}")
    assert code not in phone.url
    moved = heavy(phone.context, phone)
    press(phone, "Tiếp tục")
    told(phone, "DC-2026-0117")  # one order: there is nothing to choose
    expect(phone).to_have_url(f"{office.url}/e/site/ea-kiet")
    press(phone, "Lắp máy này ở Xã Ea Kiết")
    told(phone, "Đã duyệt")
    told(phone, "Máy đang nhận chứng thư")
    unit.fetch()
    told(phone, "Máy đang kết nối")
    unit.connect()
    told(phone, "Máy đang nhận tên, camera")
    unit.configure()
    told(phone, "Máy đang kiểm tra camera")
    unit.check("not_ready", "camera_missing")
    told(phone, "Xã Ea Kiết chưa sẵn sàng")
    told(phone, "Cắm lại dây camera")
    unit.check("ready")
    told(phone, "Xã Ea Kiết đã sẵn sàng")
    told(phone, "Công việc đã xong")
    assert moved[0] < 2 * AT_MOST_BYTES, f"{moved[0]} bytes for all of it"
    phone.go_back()  # to what is done already: on to how it stands
    told(phone, "Xã Ea Kiết đã sẵn sàng")


def test_the_same_by_hand_without_script(office: ServedOffice, browser: Browser) -> None:
    unit = ArrivingUnit(office)
    code = unit.ask()
    order(office, "ea-kiet", "replace")
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{office.url}/?token={token_of(office, 'tuan')}")
    page.goto(f"{office.url}/e")
    page.locator("#code").fill("12 34")
    press(page, "Tiếp tục")
    told(page, "9 chữ số")
    page.locator("#code").fill(f"{code[:3]}-{code[3:6]}-{code[6:]}")
    press(page, "Tiếp tục")
    told(page, "Thay thế máy ở đây")
    told(page, "Máy này vẫn đang kết nối. Chỉ thay nếu chắc chắn.")
    press(page, "Thay máy ở Xã Ea Kiết bằng máy này")
    told(page, "Đã duyệt")
    unit.fetch()
    page.reload()
    told(page, "Máy đang kết nối")
    context.close()


def test_the_office_installs_where_it_wants_and_finds_without_diacritics(
    office: ServedOffice, desk: Watched
) -> None:
    office.add("sites", id="ea-tar", name="Xã Ea Tar")
    unit, page = ArrivingUnit(office), desk.page
    code = unit.ask()
    page.goto(f"{office.url}/e")
    page.locator("#code").press_sequentially(code)
    expect(page.locator("#code")).to_have_value(f"{code[:3]} {code[3:6]} {code[6:]}")
    press(page, "Tiếp tục")
    page.get_by_label("Tìm điểm cầu").fill("ea tar")
    expect(page.locator("#found li")).to_have_count(1)
    page.get_by_role("link", name="Xã Ea Tar").click()
    press(page, "Lắp máy này ở Xã Ea Tar")
    told(page, "Đã duyệt")
    page.goto(f"{office.url}/units/{unit.unit}")
    told(page, "Chứng thư")
    page.get_by_label("Lý do thu hồi").fill("máy bị mất trộm")
    press(page, "Thu hồi")
    told(page, f"Đã thu hồi máy {unit.unit}")
    page.goto(f"{office.url}/units/{unit.unit}")
    told(page, "đã bị thu hồi")


def test_wrong_codes_raise_an_alarm_that_an_administrator_lifts(
    office: ServedOffice, browser: Browser, desk: Watched
) -> None:
    unit = ArrivingUnit(office)
    code = unit.ask()
    with window(browser, office.url, token_of(office, "an"), 360) as operator:
        page = operator.page
        page.goto(f"{office.url}/e")
        csrf = page.locator('meta[name="csrf"]').get_attribute("content") or ""
        for wrong in range(4):
            sent = {"csrf": csrf, "code": f"11122233{wrong}"}
            own_page = {"sec-fetch-site": "same-origin"}
            assert page.request.post(f"{office.url}/e", form=sent, headers=own_page).status == 422
        page.locator("#code").fill("111 222 333")
        press(page, "Tiếp tục")
        told(page, "Không có mã này")
        page.locator("#code").fill(code)
        press(page, "Tiếp tục")
        told(page, "không nhận mã nào, kể cả mã đúng")
        page.goto(f"{office.url}/enrolments")
        told(page, "Chỉ quản trị viên dỡ được cảnh báo này.")
    page = desk.page
    page.goto(office.url)
    page.get_by_role("link", name="Cảnh báo nhập sai mã").click()
    told(page, "Tài khoản an đã nhập sai 5 lần")
    assert code not in page.inner_text("main") and code[:3] + " " + code[3:6] not in page.inner_text("main")
    for left in (1, 0):  # of the account, and of the address
        confirm(page.locator(".alarms li").first, "Dỡ cảnh báo")
        expect(page.locator(".alarms li")).to_have_count(left)
    confirm(page.locator("tr", has_text="DC-2026-0117").first, "Từ chối")
    told(page, "Đã từ chối máy.")


def test_the_page_of_waiting_units_renews_itself(office: ServedOffice, desk: Watched) -> None:
    page = desk.page
    page.goto(f"{office.url}/enrolments")
    ArrivingUnit(office).ask(voucher="p0123456789ab.ffff")
    told(page, "máy đang chờ duyệt")
    told(page, "phiếu không hợp lệ")


def test_orders_and_papers_are_made_and_taken_back(office: ServedOffice, desk: Watched) -> None:
    page = desk.page
    page.goto(f"{office.url}/work-orders?site={office.sites[0]}")
    press(page, "Mở phiếu")
    told(page, "Đã mở phiếu công việc")
    confirm(page.locator("tr", has_text="đang mở").first, "Đóng phiếu")
    told(page, "Đã đóng phiếu công việc")
    page.goto(f"{office.url}/vouchers?site={office.sites[0]}")
    page.get_by_text("Mạng ở hội trường").click()
    page.get_by_label("Mật khẩu Wi-Fi").fill("một mật khẩu")
    press(page, "Lập và in phiếu")
    told(page, "Có mật khẩu Wi-Fi thì phải có tên Wi-Fi.")
    page.get_by_label("Tên Wi-Fi").fill("Hội trường")
    page.get_by_label("Mật khẩu Wi-Fi").fill("một mật khẩu")
    press(page, "Lập và in phiếu")
    told(page, "Phiếu chỉ hiện một lần này")
    desk.wrong.clear()  # the browser itself notes the refused form
    desk.check()
    page.goto(f"{office.url}/vouchers")
    confirm(page.locator("tr", has_text="còn hiệu lực").first, "Hủy")
    told(page, "Đã hủy phiếu lắp đặt")


def test_two_boxes_with_one_identity_are_decided_about(office: ServedOffice, desk: Watched) -> None:
    office.add("sites", id="ea-nam", name="Xã Ea Nam")
    unit, page = ArrivingUnit(office), desk.page
    done = office.add("enrolments/approve", code=unit.ask(), site="ea-nam", what="install")
    assert done["unit"] == unit.unit
    unit.fetch()
    unit.connect(boot_id="a", join_count=7, media="m1", box="hop-1")
    unit.connect(boot_id="b", join_count=3, media="m1", box="hop-2")
    page.goto(office.url)
    page.get_by_role("link", name="máy nghi bị sao chép").click()
    told(page, "Xã Ea Nam: có hai máy dùng chung một danh tính")
    page.get_by_role("link", name="Xem và quyết định").click()
    told(page, "hop-1")
    told(page, "hop-2")
    desk.check()
    confirm(page.locator("#clones"), "Nhầm: chỉ có một máy")
    told(page, "Đã ghi nhận: chỉ có một máy.")


def test_pages_hold_at_every_width(office: ServedOffice, desk: Watched) -> None:
    page = desk.page
    code = ArrivingUnit(office).ask()
    order(office, office.sites[1], "replace")
    served = office.get("units")[0]["id"]
    page.goto(f"{office.url}/e")
    page.locator("#code").fill(code)
    press(page, "Tiếp tục")
    told(page, "Máy này dùng ở đâu?")
    steps = ("/e", "/e/site", f"/e/site/{office.sites[1]}")
    for path in (*steps, "/enrolments", "/work-orders", "/vouchers", f"/units/{served}"):
        page.goto(office.url + path)
        for width, height in HEIGHTS.items():
            page.set_viewport_size({"width": width, "height": height})
            desk.check(axe=width == 360)


def test_a_code_that_ended_meanwhile_is_said_before_anything_is_chosen(
    office: ServedOffice, desk: Watched
) -> None:
    unit, page = ArrivingUnit(office), desk.page
    code = unit.ask()
    page.goto(f"{office.url}/e")
    page.locator("#code").fill(code)
    press(page, "Tiếp tục")
    now = office.controller.now
    office.controller.now = lambda: now() + timedelta(minutes=16)
    try:
        page.goto(f"{office.url}/e/site/{office.sites[1]}")
        told(page, "Mã này đã hết hạn hoặc đã được dùng")
    finally:
        office.controller.now = now
