"""Sessions of browsers: how they end, whose forms they take, and that nothing typed is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.system.office import Office, meeting
from tests.system.people import PASSWORD, Browser, peopled, user


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with peopled(tmp_path_factory.mktemp("sessions") / "state") as made:
        yield made


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


def test_a_large_file_sent_when_the_session_ended_is_not_lost(office: Office) -> None:
    browser = user(office, "chi", "operator")
    incident = office.add("incidents", site="ea-kiet", kind="no_picture")["id"]
    csrf, picture = browser.csrf(), b"\x89PNG\r\n\x1a\n" + bytes(3_000_000)
    office.later(hours=13)
    sent = browser.post(
        f"/incidents/{incident}/entries",
        data={"csrf": csrf, "text": "Ảnh màn hình"},
        files={"file": ("màn hình.png", picture, "image/png")},
        headers={"Origin": "https://testserver"},
    )
    kept = sent.headers["location"].rpartition("kept=")[2]
    browser.log_in("chi")
    assert browser.submit(f"/incidents/{incident}/entries", kept=kept).status_code == 303
    (entry,) = [one for one in office.get(f"incidents/{incident}")["entries"] if one["kind"] == "file"]
    assert entry["file"]["size"] == len(picture)


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
