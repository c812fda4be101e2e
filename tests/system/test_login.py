"""Who is who, as browsers see it: links, passwords, sessions, forms of other people, roles and areas."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from diemcau_controller.actions.login_link import invite_first_administrator
from diemcau_controller.app import create_app
from diemcau_controller.web.page import local_path
from fastapi.testclient import TestClient

from tests.system.office import Office, furnished, meeting

PASSWORD = "con mèo đen trên mái"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with furnished(tmp_path_factory.mktemp("login") / "state") as made:
        made.app = create_app(made.controller)  # type: ignore[attr-defined]
        made.add("areas", id="ea-tul", name="Xã Ea Tul", tier="xã")
        made.add("areas", id="buon-tria", name="Buôn Tría", tier="buôn", parent="ea-tul")
        made.add("sites", id="ea-tul", name="Xã Ea Tul", area="ea-tul")
        made.add("sites", id="buon-tria", name="Buôn Tría", area="buon-tria")
        yield made


class Browser(TestClient):
    """A browser: keeps cookies, follows nothing by itself, sends what browsers send with a form."""

    def __init__(self, office: Office) -> None:
        super().__init__(office.app, base_url="https://testserver", follow_redirects=False)  # type: ignore[attr-defined]

    def log_in(self, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        return self.post("/login", data={"name": name, "password": password, **more})

    def submit(self, path: str, *, csrf: str | None = None, **fields: Any) -> httpx.Response:
        """Send a form of our own page."""
        token = self.csrf() if csrf is None else csrf
        return self.post(path, data={**fields, "csrf": token}, headers={"Origin": "https://testserver"})

    def csrf(self) -> str:
        found = re.search(r'name="csrf" content="([^"]+)"', self.get("/account").text)
        assert found is not None, "nobody is logged in"
        return found[1]

    @property
    def is_in(self) -> bool:
        return self.get("/account").status_code == 200


def user(office: Office, name: str, role: str = "viewer", **more: Any) -> Browser:
    """A new user, logged in."""
    office.add("users", name=name, role=role, **more)
    browser = Browser(office)
    assert use_link(browser, link(office, name)).headers["location"] == "/"
    return browser


def link(office: Office, name: str) -> str:
    url: str = office.add(f"users/{name}/link")["url"]
    assert url.startswith("https://192.0.2.1:8443/enter/")
    return url.removeprefix("https://192.0.2.1:8443")


def use_link(browser: Browser, path: str, password: str = PASSWORD) -> httpx.Response:
    return browser.post(path, data={"password": password, "again": password})


# ── links and passwords ──────────────────────────────────────────────────────────────────────────


def test_the_first_administrator_is_let_in_once(tmp_path: Path) -> None:
    office = Office(tmp_path / "state")
    office.app = create_app(office.controller)  # type: ignore[attr-defined]
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


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────


def test_the_cookie(office: Office) -> None:
    user(office, "cuc")
    cookie = Browser(office).log_in("cuc").headers["set-cookie"]
    assert cookie.startswith("__Host-diemcau=") and "Domain" not in cookie and "Path=/" in cookie
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=lax"))
    secret = cookie.partition("=")[2].partition(";")[0]
    assert secret.encode() not in office.state.database.read_bytes(), "only its digest is kept"


def test_sessions_end(office: Office) -> None:
    browser = user(office, "mai")
    for _ in range(15):
        office.later(hours=11)
        assert browser.is_in, "in use it goes on"
        office.writer.submit(lambda session: None, urgent=True).result()  # what was noted is stored
    office.later(hours=11)
    assert not browser.is_in, "at most a week"
    browser.log_in("mai")
    office.later(hours=13)
    assert not browser.is_in, "half a day without use"
    browser.log_in("mai")
    other = Browser(office)
    other.log_in("mai")
    assert browser.submit("/account/sessions").status_code == 303 and browser.is_in and not other.is_in
    other.log_in("mai")
    changed = browser.submit(
        "/account/password", old=PASSWORD, password="mật khẩu rất mới", again="mật khẩu rất mới"
    )
    assert changed.status_code == 303 and browser.is_in and not other.is_in
    assert other.log_in("mai").status_code == 422
    assert other.log_in("mai", "mật khẩu rất mới").status_code == 303
    office.http.patch("/api/v1/users/mai", json={"disabled": True})
    assert not other.is_in and not browser.is_in
    assert Browser(office).log_in("mai", "mật khẩu rất mới").status_code == 422
    office.http.patch("/api/v1/users/mai", json={"disabled": False})
    assert not other.is_in, "enabled again, but not logged in"
    other.log_in("mai", "mật khẩu rất mới")
    stolen = Browser(office)
    stolen.cookies = other.cookies
    assert other.submit("/logout").headers["location"] == "/login" and not stolen.is_in


def test_the_own_password_needs_the_present_one(office: Office) -> None:
    browser = user(office, "thu")
    wrong = browser.submit(
        "/account/password", old="sai", password="mật khẩu rất mới", again="mật khẩu rất mới"
    )
    assert wrong.status_code == 422 and "Mật khẩu đang dùng chưa đúng" in wrong.text
    own = browser.submit(
        "/account/password", old=PASSWORD, password="thu thu thu thu", again="thu thu thu thu"
    )
    assert own.status_code == 422 and "tên đăng nhập" in own.text
    assert browser.get("/account?lang=en").text.count("Present password") == 1
    assert "Mật khẩu" not in browser.get("/account").text, "the language is remembered"


def test_a_token_in_the_address_becomes_a_session(office: Office) -> None:
    browser = Browser(office)
    wrong = browser.get("/?token=guess")
    assert wrong.headers["location"] == "/login" and "không đúng" in browser.get("/login").text
    entered = browser.get(f"/?token={office.token}")
    assert entered.headers["location"] == "/" and browser.is_in
    assert office.token not in str(browser.cookies)


# ── forms ────────────────────────────────────────────────────────────────────────────────────────


def test_only_our_own_pages_change_something(office: Office) -> None:
    made = meeting(
        office,
        title="Giao ban",
        starts_at=f"{office.time + timedelta(days=1):%Y-%m-%d}T08:30",
        sites=["ea-kiet"],
    )
    browser = user(office, "oanh", "secretary")
    path, body, csrf = f"/api/v1/meetings/{made}", {}, browser.csrf()
    for headers in (
        {},
        {"X-CSRF-Token": "guess"},
        {"X-CSRF-Token": csrf, "Origin": "https://evil.example"},
        {"X-CSRF-Token": csrf, "Origin": "null"},
        {"X-CSRF-Token": csrf, "Sec-Fetch-Site": "cross-site"},
    ):
        assert browser.request("DELETE", path, json=body, headers=headers).status_code == 403
    assert browser.post("/account/sessions", data={"csrf": csrf}).status_code == 303, "an old browser"
    assert browser.post("/account/sessions").status_code == 403
    foreign = browser.post(
        "/account/sessions", data={"csrf": csrf}, headers={"Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403 and "không đến từ trang" in foreign.text
    assert Browser(office).post("/login", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    own = {"X-CSRF-Token": csrf, "Sec-Fetch-Site": "same-origin"}
    assert browser.request("DELETE", path, headers=own).status_code == 204


def test_what_was_typed_when_the_session_ended_is_not_lost(office: Office) -> None:
    browser = user(office, "phuong", "administrator")
    csrf = browser.csrf()
    office.later(hours=13)
    fields = {"name": "nguoi-moi", "display_name": "Người Mới", "role": "viewer", "scope": "all"}
    sent = browser.submit("/users/new", csrf=csrf, **fields)
    login = sent.headers["location"]
    assert login.startswith("/login?") and "vẫn được giữ" in browser.get(login).text
    kept = login.rpartition("kept=")[2]
    offered = browser.log_in("phuong", kept=kept).headers["location"]
    page = browser.get(offered).text
    assert "Gửi tiếp" in page and 'action="/users/new"' in page
    assert browser.submit("/users/new", kept=kept).status_code == 200
    assert office.get("users/nguoi-moi")["display_name"] == "Người Mới"
    assert browser.submit("/users/new", kept=kept).headers["location"] == "/", "it can be sent once"
    assert browser.get(offered).status_code == 303


def test_a_form_of_an_earlier_session_asks_first(office: Office) -> None:
    browser = user(office, "quynh", "administrator")
    old = browser.csrf()
    browser.log_in("quynh")
    asked = browser.submit("/users/new", csrf=old, name="tu-trang-cu", role="viewer", scope="all")
    assert asked.status_code == 409 and "Gửi tiếp" in asked.text
    office.refused(404, "users/tu-trang-cu", method="GET")
    kept = re.search(r'name="kept" value="([^"]+)"', asked.text)
    assert kept is not None and browser.submit("/users/new", kept=kept[1]).status_code == 200
    assert office.get("users/tu-trang-cu")["role"] == "viewer"


def test_mistakes_are_told_beside_their_fields_and_nothing_is_lost(office: Office) -> None:
    browser = user(office, "son", "administrator")
    answer = browser.submit(
        "/users/new", name="Sơn Lê", display_name="<script>", role="secretary", scope="area", area="nơi nào"
    )
    assert answer.status_code == 422 and "nơi nào" in answer.text and "&lt;script&gt;" in answer.text
    wrong = browser.submit("/users/new", name="Sơn Lê", role="secretary", scope="all")
    assert (
        wrong.status_code == 422 and "chữ thường không dấu" in wrong.text and 'value="Sơn Lê"' in wrong.text
    )
    taken = browser.submit("/users/new", name="son", role="viewer", scope="all")
    assert taken.status_code == 422 and "đã có" in taken.text
    own = browser.submit("/users/son", role="viewer", scope="all")
    assert own.status_code == 422 and "không thể tự bỏ quyền" in own.text
    assert (
        browser.post(
            "/login", content=b"\xff" * 99, headers={"Content-Type": "multipart/form-data; boundary=x"}
        ).status_code
        == 400
    )


def test_who_sends_too_much_is_told_in_the_surface_own_words(office: Office) -> None:
    browser = user(office, "to-lon")
    large = {"content": b"x" * 5_000_000, "headers": {"Origin": "https://testserver"}}
    page = browser.post("/account/language", **large)
    assert page.status_code == 413 and "quá lớn" in page.text and "<html" in page.text
    assert "smaller" in office.http.post("/api/v1/sites", **large).json()["detail"]


# ── roles and areas ──────────────────────────────────────────────────────────────────────────────


def test_a_role_too_small_is_told_kindly(office: Office) -> None:
    viewer, contractor = user(office, "tam"), user(office, "bao-tri", "contractor", sites=["ea-kiet"])
    for browser, path in ((viewer, "/users"), (viewer, "/audit"), (contractor, "/schedule")):
        refused = browser.get(path)
        assert refused.status_code == 403 and "chưa được giao việc này" in refused.text
    part = viewer.get("/users", headers={"HX-Request": "true"})
    assert part.status_code == 403 and "data-notice" in part.text and "<html" not in part.text
    nobody = Browser(office).get("/users", headers={"HX-Request": "true"})
    assert nobody.status_code == 401 and "data-notice" in nobody.text
    assert Browser(office).get("/audit?page=2").headers["location"] == "/login?next=%2Faudit%3Fpage%3D2"
    assert [site["id"] for site in contractor.get("/api/v1/sites").json()] == ["ea-kiet"]
    assert contractor.get("/api/v1/meetings").status_code == 403
    assert viewer.get("/nowhere").status_code == 404 and "<html" in viewer.get("/nowhere").text


def test_who_is_bound_to_an_area_sees_and_changes_only_that(office: Office) -> None:
    browser = user(office, "ea-tul", "operator", area="ea-tul")
    api = {"X-CSRF-Token": browser.csrf(), "Origin": "https://testserver"}

    def ask(method: str, path: str, **body: Any) -> httpx.Response:
        return browser.request(method, f"/api/v1/{path}", json=body, headers=api)

    day = f"{office.time + timedelta(days=1):%Y-%m-%d}"
    whole = meeting(office, starts_at=f"{day}T22:00", sites=["ea-kiet", "ea-tul"])
    office.add(
        "meetings", title="Khác", starts_at=f"{day}T20:00", duration_s=600, main_site="ea-kiet", sites=[]
    )
    assert {site["id"] for site in browser.get("/api/v1/sites").json()} == {"ea-tul", "buon-tria"}
    assert browser.get("/api/v1/units").json() == []
    assert (
        ask("GET", "sites/ea-kiet").status_code == ask("PATCH", "sites/ea-kiet", name="X").status_code == 404
    )
    assert ask("PATCH", "sites/buon-tria", name="Buôn Tría mới").json()["name"] == "Buôn Tría mới"
    assert ask("PATCH", "sites/buon-tria", area="xa-ea-kiet").status_code == 403
    assert ask("POST", "sites", name="Ở ngoài").status_code == 403
    assert ask("POST", "sites", name="Ở trong", area="buon-tria").status_code == 201
    (seen,) = browser.get("/api/v1/meetings").json()
    assert seen["id"] == whole and seen["sites"] == ["ea-tul"]
    assert ask("DELETE", f"meetings/{whole}").status_code == 403
    assert ask("POST", f"meetings/{whole}/floor", verb="mute-all").status_code == 403
    spec = {"title": "Họp xã", "starts_at": f"{day}T18:00", "duration_s": 600, "main_site": "ea-tul"}
    assert ask("POST", "meetings", **spec, sites=["ea-kiet"]).status_code == 422
    own = ask("POST", "meetings", **spec).json()
    assert set(own["sites"]) == {"ea-tul", "buon-tria", "o-trong"}, "every site is every site in scope"
    assert ask("DELETE", f"meetings/{own['id']}").status_code == 204


def test_a_bound_administrator_gives_no_more_than_that(office: Office) -> None:
    browser = user(office, "qt-ea-tul", "administrator", area="ea-tul")
    api = {"X-CSRF-Token": browser.csrf(), "Origin": "https://testserver"}

    def add(**body: Any) -> int:
        return browser.post("/api/v1/users", json={"role": "viewer", **body}, headers=api).status_code

    assert add(name="a1") == 403 and add(name="a2", area="xa-ea-kiet") == 403
    assert add(name="a3", area="buon-tria") == 201 and add(name="a4", sites=["ea-tul"]) == 201
    assert add(name="a5", sites=["ea-kiet"]) == 403
    names = {one["name"] for one in browser.get("/api/v1/users").json()}
    assert {"a3", "a4", "qt-ea-tul"} <= names and not names & {"local", "hoa"}
    assert browser.post("/api/v1/users/local/token", headers=api).status_code == 404
    assert browser.get("/api/v1/audit").status_code == 403 and browser.get("/audit").status_code == 403
