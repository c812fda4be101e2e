"""Log in by another system: against a small provider of our own (tests/system/openid_provider.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.config import Settings
from fastapi.testclient import TestClient
from httpx import Response
from joserfc.jwk import ECKey

from .office import Office
from .openid_provider import CLIENT, SECRET, Provider, provider

ROLES = {"administrator": ["quan-tri"], "secretary": ["van-thu"]}
OWN = {"sec-fetch-site": "same-origin"}
PASSWORD = "mưa rừng Tây Nguyên"


class There:
    """An office whose people have accounts at the provider, and browsers that go there and back."""

    def __init__(self, folder: Path, there: Provider) -> None:
        self.office, self.there = Office(folder), there
        self.office.controller.now = lambda: datetime.now(UTC)
        secret = folder / "openid-secret"
        secret.write_text(SECRET)
        self.known: dict[str, Any] = {
            "issuer": there.issuer,
            "client_id": CLIENT,
            "client_secret_file": secret,
            "label": "Tài khoản của tỉnh",
        }
        self.settle()

    def settle(self, **more: Any) -> None:
        self.office.controller.settings = Settings.model_validate(
            {"public_address": "testserver", "openid": {**self.known, **more}}
        )

    def browser(self) -> TestClient:
        return TestClient(self.office.nobody.app, base_url="https://testserver", follow_redirects=False)

    def come(self, browser: TestClient, person: dict[str, Any], next: str = "/reports") -> Response:
        """There, log in, and back."""
        self.there.person = person
        sent = browser.get("/openid/start", params={"next": next})
        assert sent.status_code == 303, sent.text
        return browser.get("/openid/back?" + self.there.log_in(sent.headers["location"]).split("?", 1)[1])

    def refused(self, person: dict[str, Any], browser: TestClient | None = None) -> str:
        """What is said to somebody who is not let in."""
        browser = browser or self.browser()
        answer = self.come(browser, person)
        assert answer.headers["location"] == "/login", answer.headers
        said = browser.get("/login").text
        assert browser.get("/account").headers.get("location", "").startswith("/login")
        found = re.search(r'<div class="message bad" role="status">.*?<div>(.*?)</div>', said, re.DOTALL)
        assert found is not None
        return found[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    with provider() as there:
        made = There(tmp_path_factory.mktemp("openid"), there)
        for name in ("lan", "minh", "nam", "tu"):
            made.office.add("users", name=name, role="secretary")
        yield made
        made.office.close()


@pytest.fixture(autouse=True)
def honest(place: There) -> None:
    place.there.lies, place.there.in_userinfo, place.there.down = {}, {}, False
    place.there.signs_with = place.there.key
    place.settle()


def test_who_was_added_without_a_password_is_known_by_name_then_by_number(place: There) -> None:
    browser = place.browser()
    assert "Tài khoản của tỉnh" in browser.get("/login").text
    answer = place.come(
        browser, {"sub": "7", "preferred_username": "Lan@tinh.vn"}, next="/reports?month=2026-03"
    )
    assert answer.headers["location"] == "/reports?month=2026-03"
    assert browser.get("/reports").status_code == 200
    again = place.browser()
    place.come(again, {"sub": "7", "preferred_username": "another-name"})
    assert "lan" in again.get("/account").text
    said = place.office.get("audit?user=lan&action=user.log_in")
    assert said["total"] == 2
    assert "đã nối với tài khoản khác" in place.refused({"sub": "8", "preferred_username": "lan"})


def test_strangers_and_people_with_a_password_are_not_taken_by_name(place: There) -> None:
    assert "chưa có người dùng" in place.refused({"sub": "70", "preferred_username": "la"})
    assert "không cho biết tên" in place.refused({"sub": "71"})
    assert "không cho biết tên" in place.refused({"sub": "72", "preferred_username": "local"})
    with_password(place, "minh")
    assert "có mật khẩu riêng" in place.refused({"sub": "73", "preferred_username": "minh"})


def with_password(place: There, name: str) -> TestClient:
    link = str(place.office.add(f"users/{name}/link")["url"])
    browser = place.browser()
    sent = {"password": PASSWORD, "again": PASSWORD}
    assert browser.post("/" + link.split("/", 3)[3], data=sent, headers=OWN).status_code == 303
    return browser


def test_who_has_a_password_connects_the_account_first(place: There) -> None:
    browser = with_password(place, "nam")
    page = browser.get("/account").text
    csrf = re.search(r'name="csrf" content="([^"]+)"', page)
    assert csrf is not None and "Nối với tài khoản" in page
    there = browser.post("/account/openid", data={"csrf": csrf[1]}, headers=OWN)
    way = re.search(r'href="([^"]+authorize[^"]+)"', there.text)
    assert way is not None
    place.there.person = {"sub": "9", "preferred_username": "whoever"}
    back = place.there.log_in(way[1].replace("&amp;", "&"))
    stranger = place.browser()  # another browser cannot bring it home
    assert stranger.get("/openid/back?" + back.split("?", 1)[1]).headers["location"] == "/login"
    assert browser.get("/openid/back?" + back.split("?", 1)[1]).headers["location"] == "/account"
    assert "Đã nối" in browser.get("/account").text
    other = place.browser()
    assert place.come(other, {"sub": "9", "preferred_username": "whoever"}).headers["location"] == "/reports"
    assert "nam" in other.get("/account").text


def test_each_log_in_gives_the_role_the_claims_say(place: There) -> None:
    place.settle(roles=ROLES, add_users=True)
    person = {"sub": "20", "preferred_username": "hoa", "name": "Trần Thị Hoa"}
    assert "chưa được giao vai trò" in place.refused({**person, "roles": ["khach"]})
    place.there.in_userinfo = {"roles": ["van-thu"]}  # where the ID token is silent
    assert place.come(place.browser(), person).headers["location"] == "/reports"
    assert place.office.get("users/hoa")["role"] == "secretary"
    assert place.office.get("users/hoa")["display_name"] == "Trần Thị Hoa"
    place.come(place.browser(), {**person, "roles": ["van-thu", "quan-tri"]})
    assert place.office.get("users/hoa")["role"] == "administrator"
    assert place.office.get("audit?action=user.change&subject=user:hoa")["total"] == 1
    assert "chưa được giao vai trò" in place.refused({**person, "roles": []})
    place.office.http.patch("/api/v1/users/hoa", json={"disabled": True})
    assert "bị khóa" in place.refused({**person, "roles": ["quan-tri"]})


@pytest.mark.parametrize(
    "lies",
    [
        {"aud": "another client"},
        {"iss": "https://elsewhere.example"},
        {"nonce": "of another log-in"},
        {"nonce": None},
        {"exp": 1_000_000_000},
        {"sub": None},
        {"sub": ""},
    ],
    ids=str,
)
def test_a_token_that_does_not_hold_lets_nobody_in(place: There, lies: dict[str, Any]) -> None:
    place.there.lies = lies
    assert "Chưa xác nhận được" in place.refused({"sub": "7", "preferred_username": "lan"})


def test_a_token_signed_by_somebody_else_lets_nobody_in(place: There) -> None:
    place.there.signs_with = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
    assert "Chưa xác nhận được" in place.refused({"sub": "7", "preferred_username": "lan"})


def test_a_way_back_is_gone_once_by_the_browser_that_left_and_in_time(place: There) -> None:
    browser = place.browser()
    sent = browser.get("/openid/start")
    back = "/openid/back?" + place.there.log_in(sent.headers["location"]).split("?", 1)[1]
    place.there.person = {"sub": "7", "preferred_username": "lan"}
    assert browser.get(back).headers["location"] == "/"
    assert browser.get(back).headers["location"] == "/login"  # the same again
    for query in ("", "?state=x&code=y", "?error=access_denied&state=x", f"?state={'x' * 3000}"):
        answer = browser.get(f"/openid/back{query}")
        assert answer.headers.get("location", "/login") == "/login"


def test_nobody_is_led_elsewhere_afterwards(place: There) -> None:
    browser = place.browser()
    person = {"sub": "7", "preferred_username": "lan"}
    assert place.come(browser, person, next="https://evil.example/").headers["location"] == "/"
    assert place.come(browser, person, next="//evil.example").headers["location"] == "/"


def test_the_password_helps_when_the_other_system_is_away(place: There) -> None:
    place.there.down = True
    browser = place.browser()
    assert browser.get("/openid/start").headers["location"] == "/login"
    assert "không trả lời" in browser.get("/login").text
    place.there.down = False
    place.settle(client_secret_file="/nowhere/secret")
    assert browser.get("/openid/start").headers["location"] == "/login"
    place.office.state.kept_openid_secret.write_text(SECRET)  # restored from a backup
    assert browser.get("/openid/start").headers["location"] != "/login"


def test_where_it_is_not_set_up_there_is_nothing(place: There) -> None:
    place.office.controller.settings = Settings(public_address="testserver")
    browser = place.browser()
    assert "openid" not in browser.get("/login").text
    assert browser.get("/openid/start").headers["location"] == "/login"
