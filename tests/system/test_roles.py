"""What a role may, and what somebody who is bound to an area or to sites sees and changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.system.office import Office, meeting
from tests.system.people import Browser, peopled, user


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with peopled(tmp_path_factory.mktemp("roles") / "state") as made:
        yield made


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
