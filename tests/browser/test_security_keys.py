"""Security keys in Chromium, by its own virtual authenticator: who has only a session gets nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from diemcau_controller.config import Settings
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.page_checks import Watched, chromium
from tests.system.served_office import ServedOffice, served_office

PATIENCE_MS = 20_000
PASSWORD = "mưa rừng Tây Nguyên"
KEY = {
    "protocol": "ctap2",
    "transport": "usb",
    "hasResidentKey": False,
    "hasUserVerification": False,
    "automaticPresenceSimulation": True,
}


class Named(Settings):
    """Browsers let no page under a network address ask for keys, and this one is served without TLS."""

    @property
    def web_url(self) -> str:
        return f"http://localhost:{self.web.port}"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOffice]:
    with served_office(tmp_path_factory.mktemp("keys"), 3) as made:
        port = int(made.url.rsplit(":", 1)[1])
        made.url = f"http://localhost:{port}"
        known = {
            "public_address": "localhost",
            "web": {"port": port},
            "security": {"second_factor": "required"},
        }
        made.controller.settings = Named.model_validate(known)
        for name in ("an", "binh"):
            made.add("users", name=name, role="administrator")
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Desk:
    """A browser of somebody; `shift` is how far the office's clock is ahead."""

    def __init__(self, office: ServedOffice, context: BrowserContext) -> None:
        self.office, self.context = office, context
        self.page: Page = context.new_page()
        self.watched = Watched(self.page, office.url)
        self.cdp = context.new_cdp_session(self.page)
        self.cdp.send("WebAuthn.enable")

    def plug_in(self) -> str:
        """Give the browser a key."""
        made = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
        return str(made["authenticatorId"])

    def open(self, path: str) -> None:
        self.page.goto(self.office.url + path)

    def enter(self, name: str) -> None:
        """By a link that lets in once, choosing the password."""
        self.page.goto(str(self.office.add(f"users/{name}/link")["url"]))
        self.page.locator("#password").fill(PASSWORD)
        self.page.locator("#again").fill(PASSWORD)
        self.press("Lưu mật khẩu và đăng nhập")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def told(self, text: str) -> None:
        expect(self.page.locator("main")).to_contain_text(text, timeout=PATIENCE_MS)

    def csrf(self) -> str:
        return str(self.page.locator('meta[name="csrf"]').get_attribute("content"))


@contextmanager
def desk(office: ServedOffice, browser: Browser) -> Iterator[Desk]:
    context = browser.new_context(viewport={"width": 360, "height": 740}, bypass_csp=False)
    yield Desk(office, context)
    context.close()


def later(office: ServedOffice, minutes: float) -> None:
    ahead = office.controller.now() - datetime.now(UTC) + timedelta(minutes=minutes)
    office.controller.now = lambda: datetime.now(UTC) + ahead


def test_a_key_is_registered_shown_and_missed(office: ServedOffice, browser: Browser) -> None:
    with desk(office, browser) as person:
        person.enter("an")
        person.open("/users/binh")
        person.press("Tạo đường dẫn")
        person.told("tài khoản chưa có")  # the form waits meanwhile
        key = person.plug_in()
        person.page.get_by_label("Tên khóa").fill("Khóa USB màu xanh")
        person.page.get_by_label("Mật khẩu").fill("không phải mật khẩu")
        person.press("Đăng ký khóa")
        person.told("Mật khẩu đang dùng chưa đúng")
        person.page.get_by_label("Mật khẩu").fill(PASSWORD)
        person.press("Đăng ký khóa")
        person.told("/enter/")  # what was wanted at first is done
        person.open("/users/binh")
        person.press("Tạo đường dẫn")
        person.told("/enter/")  # within five minutes without another look
        person.open("/account")
        person.told("Khóa USB màu xanh")
        person.watched.wrong.clear()  # the browser itself notes each refused form
        for width, height in ((360, 740), (1366, 768)):
            person.page.set_viewport_size({"width": width, "height": height})
            for path in ("/account", "/account/keys/new", "/second-factor?next=/users"):
                person.open(path)
                person.watched.check(axe=width == 360)

        later(office, 6)
        person.open("/users/binh")
        person.press("Tạo đường dẫn")
        person.told("Những gì đã nhập vẫn được giữ")
        person.press("Chạm khóa bảo mật")
        person.told("/enter/")

        later(office, 6)
        person.cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": key})
        person.plug_in()  # somebody else's
        person.open("/users/binh")
        person.press("Tạo đường dẫn")
        person.press("Chạm khóa bảo mật")
        person.told("Chưa nhận được khóa")
        stolen_session(office, person)


def stolen_session(office: ServedOffice, person: Desk) -> None:
    """What a copied cookie is good for, without the key."""
    csrf, request = person.csrf(), person.context.request
    own_page = {"sec-fetch-site": "same-origin"}
    links = count(office, "user.link")
    asked: list[tuple[str, str, dict[str, str]]] = [
        ("POST", "/users/binh/link", {"csrf": csrf}),
        ("POST", "/users/binh/token", {"csrf": csrf}),
        ("POST", "/users/new", {"csrf": csrf, "name": "moi", "role": "administrator", "scope": "all"}),
        ("POST", "/users/an/keys", {"csrf": csrf}),
        ("POST", "/vouchers", {"csrf": csrf, "site": office.sites[0], "what": "replace", "days": "7"}),
        ("POST", "/units/u00000000ffff/revoke", {"csrf": csrf, "reason": "thử"}),
    ]
    for method, path, fields in asked:
        answer = request.fetch(
            office.url + path, method=method, form=fields, headers=own_page, max_redirects=0
        )
        assert answer.status == 303 and answer.headers["location"].startswith("/second-factor"), path
    for path in ("users/binh/link", "users/binh/token"):
        answer = request.post(
            f"{office.url}/api/v1/{path}", headers={**own_page, "X-CSRF-Token": csrf}, max_redirects=0
        )
        assert (answer.status, answer.json()["code"]) == (403, "second_factor.needed"), path
    answer = request.fetch(
        f"{office.url}/account/keys/options",
        method="POST",
        form={"csrf": csrf, "password": PASSWORD, "name": "của kẻ gian"},
        headers=own_page,
    )
    assert answer.status == 422 and "chạm khóa" in answer.json()["text"]
    answer = request.fetch(
        f"{office.url}/second-factor",
        method="POST",
        form={"csrf": csrf, "answer": '{"id": "x", "response": {}}'},
        headers=own_page,
    )
    assert answer.status == 422
    assert count(office, "user.link") == links


def test_a_token_shows_no_key_but_the_servers_own(office: ServedOffice) -> None:
    token = office.add("users/binh/token")["token"]
    binh = {"Authorization": f"Bearer {token}"}
    refused = office.nobody.post("/api/v1/users/an/link", headers=binh)
    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor.token")
    assert office.nobody.get("/api/v1/users", headers=binh).status_code == 200
    assert office.add("users/an/link")["url"]


def test_lost_keys_are_reset_and_the_next_is_the_first(office: ServedOffice, browser: Browser) -> None:
    done = office.http.request("DELETE", "/api/v1/users/an/keys").json()
    assert done["removed"] == 1
    with desk(office, browser) as person:
        person.enter("an")
        person.plug_in()
        person.open("/account/keys/new")
        person.page.get_by_label("Tên khóa").fill("Khóa mới")
        person.page.get_by_label("Mật khẩu").fill(PASSWORD)
        person.press("Đăng ký khóa")
        person.told("Đã đăng ký khóa “Khóa mới”")
        person.page.get_by_role("row", name="Khóa mới").get_by_text("Gỡ").first.click()
        person.page.locator(".ask button").click()
        person.told("Đã gỡ khóa “Khóa mới”")


def test_a_copied_key_is_noticed_by_its_counter(office: ServedOffice, browser: Browser) -> None:
    with desk(office, browser) as person:
        person.enter("binh")
        key = person.plug_in()
        person.open("/account/keys/new")
        person.page.get_by_label("Tên khóa").fill("Khóa")
        person.page.get_by_label("Mật khẩu").fill(PASSWORD)
        person.press("Đăng ký khóa")
        person.told("Đã đăng ký khóa")
        own: dict[str, Any] = person.cdp.send("WebAuthn.getCredentials", {"authenticatorId": key})
        copied = own["credentials"][0]
        later(office, 6)
        person.open("/second-factor")
        person.press("Chạm khóa bảo mật")
        expect(person.page).to_have_url(f"{office.url}/")
        person.cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": key})
        copy = person.plug_in()
        person.cdp.send("WebAuthn.addCredential", {"authenticatorId": copy, "credential": copied})
        later(office, 6)
        person.open("/second-factor")
        person.press("Chạm khóa bảo mật")
        person.told("Chưa nhận được khóa bảo mật")
        assert count(office, "user.key_refused") >= 1


def count(office: ServedOffice, action: str) -> int:
    return int(office.get(f"audit?action={action}")["total"])
