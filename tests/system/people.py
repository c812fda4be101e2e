"""An office with areas, and the browsers of the people who use it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi.testclient import TestClient

from tests.system.office import Office, furnished

PASSWORD = "con mèo đen trên mái"


@contextmanager
def peopled(folder: Path) -> Iterator[Office]:
    """An office with an area within an area, a site in each."""
    with furnished(folder) as made:
        made.add("areas", id="ea-tul", name="Xã Ea Tul", tier="xã")
        made.add("areas", id="buon-tria", name="Buôn Tría", tier="buôn", parent="ea-tul")
        made.add("sites", id="ea-tul", name="Xã Ea Tul", area="ea-tul")
        made.add("sites", id="buon-tria", name="Buôn Tría", area="buon-tria")
        yield made


class Browser(TestClient):
    """A browser: keeps cookies, follows nothing by itself, sends what browsers send with a form."""

    def __init__(self, office: Office) -> None:
        super().__init__(office.app, base_url="https://testserver", follow_redirects=False)

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
