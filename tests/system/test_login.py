"""Who is who, as browsers see it: links, passwords, where one goes after logging in."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_controller.actions.login_link import invite_first_administrator
from diemcau_controller.web.page import local_path

from tests.system.office import Office
from tests.system.people import PASSWORD, Browser, link, peopled, use_link, user


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with peopled(tmp_path_factory.mktemp("login") / "state") as made:
        yield made


def test_the_first_administrator_is_let_in_once(tmp_path: Path) -> None:
    office = Office(tmp_path / "state")
    try:
        file = office.state.first_login
        asyncio.run(invite_first_administrator(office.controller))
        written = file.read_text()
        asyncio.run(invite_first_administrator(office.controller))
        assert file.read_text() == written, "one link is enough"
        assert file.stat().st_mode & 0o777 == 0o600
        path = "/enter/" + written.strip().rpartition("/")[2]
        first = Browser(office)
        assert "quan-tri" in first.get(path).text and first.get(path).status_code == 200, "looking is free"
        assert use_link(first, path).status_code == 303 and first.get("/users").status_code == 200
        assert not file.exists()
        again = use_link(Browser(office), path)
        assert again.status_code == 410 and "đã được dùng" in again.text
        asyncio.run(invite_first_administrator(office.controller))
        assert not file.exists(), "somebody can log in"
    finally:
        office.close()


def test_links_end(office: Office) -> None:
    office.add("users", name="lien", role="viewer")
    old, new = link(office, "lien"), link(office, "lien")
    assert Browser(office).get(old).status_code == 410, "a new one ends the old"
    office.later(hours=25)
    assert use_link(Browser(office), new).status_code == 410
    assert Browser(office).get("/enter/guess").status_code == 410
    path = link(office, "lien")
    short = use_link(Browser(office), path, "ngắn")
    assert short.status_code == 422 and "ít nhất 12 ký tự" in short.text
    different = Browser(office).post(path, data={"password": PASSWORD, "again": "khác"})
    assert different.status_code == 422 and "không giống nhau" in different.text
    assert use_link(Browser(office), path).status_code == 303, "mistakes do not use it up"
    office.refused(409, "users/local/link")


def test_a_wrong_password_is_refused_like_a_wrong_name(office: Office) -> None:
    user(office, "hoa")
    said = []
    for name, password in (("hoa", "sai mật khẩu rồi"), ("ai đó", PASSWORD), ("x" * 80, PASSWORD)):
        answer = Browser(office).log_in(name, password)
        assert answer.status_code == 422 and f'value="{name}"' in answer.text, "what was typed is kept"
        said.append(re.findall(r'role="alert".*?</div>', answer.text))
    assert said[0] == said[1] == said[2] and PASSWORD not in answer.text
    assert Browser(office).log_in("", "").status_code == 422
    assert Browser(office).log_in(" HOA ").status_code == 303, "case and blanks do not matter in a name"
    assert Browser(office).log_in("hoa", unicodedata.normalize("NFD", PASSWORD)).status_code == 303


def test_after_wrong_passwords_one_has_to_wait(office: Office) -> None:
    user(office, "nam")
    browser = Browser(office)
    assert [browser.log_in("nam", "sai").status_code for _ in range(6)] == [422] * 5 + [429]
    told = browser.log_in("nam")
    assert told.status_code == 429 and re.search(r"chờ [56] giây", told.text), "also with the right one"
    assert user(office, "nam2").is_in, "others need not wait"
    office.later(seconds=6)
    assert browser.log_in("nam").status_code == 303
    office.later(hours=2)


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/meetings/m1?lang=en", "/meetings/m1?lang=en"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_what_is_a_page_of_our_own(wanted: str, location: str) -> None:
    assert local_path(wanted) == location


def test_log_in_leads_only_to_our_own_pages(office: Office) -> None:
    browser = user(office, "dung")
    for wanted, location in (("/account?lang=en", "/account?lang=en"), ("//evil.example/", "/")):
        assert browser.log_in("dung", next=wanted).headers["location"] == location
        assert browser.get("/login", params={"next": wanted}).headers["location"] == location
