"""Every route is in the table of routes.py, and lets in exactly whom the table says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from diemcau_controller.rules.actor import Role
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute, Mount

from tests.system.office import Office

from . import routes

TABLE = {
    None: routes.OPEN,
    Role.CONTRACTOR: routes.CONTRACTOR,
    Role.TECHNICIAN: routes.TECHNICIAN,
    Role.VIEWER: routes.VIEWER,
    Role.SECRETARY: routes.SECRETARY,
    Role.OPERATOR: routes.OPERATOR,
    Role.ADMINISTRATOR: routes.ADMINISTRATOR,
}
ENDLESS = {"GET /api/v1/stream", "GET /live"}  # streams: who is let in stays in


def listed() -> dict[str, Role | None]:
    """`METHOD /path` → the smallest role that may."""
    found: dict[str, Role | None] = {}
    for role, text in TABLE.items():
        for line in text.strip().splitlines():
            route = line.partition("#")[0].strip()
            assert route not in found, f"{route} is listed twice"
            found[route] = role
    return found


LISTED = listed()


class Callers:
    """Nobody, and somebody of each role, as they call the same controller."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.tokens: dict[Role, str] = {}
        for role in Role:
            office.add("users", name=f"the-{role}", role=role.value)
            self.tokens[role] = office.add(f"users/the-{role}/token")["token"]

    def call(self, route: str, role: Role | None) -> tuple[int, str]:
        """Status and where it leads, of a route asked with ids that nobody has and an empty body."""
        method, path = route.split()
        headers = {} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"}
        client = TestClient(self.office.nobody.app, base_url="https://testserver", follow_redirects=False)
        answer = client.request(method, re.sub(r"{\w+}", "khong-co", path), headers=headers)
        return answer.status_code, answer.headers.get("location", "")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("office"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def callers(office: Office) -> Callers:
    return Callers(office)


def walk(found: list[BaseRoute], prefix: str = "") -> Iterator[str]:
    """`METHOD /path` of every route, those of included routers too."""
    for route in found:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from walk(inner.routes, prefix + route.include_context.prefix)  # type: ignore[attr-defined]
        elif not isinstance(route, Mount):
            for method in set(route.methods) - {"HEAD", "OPTIONS"}:  # type: ignore[attr-defined]
                yield f"{method} {prefix}{route.path}"  # type: ignore[attr-defined]


def test_every_route_is_in_the_table_and_no_other(office: Office) -> None:
    there = set(walk(office.nobody.app.routes))  # type: ignore[attr-defined]
    assert there - set(LISTED) == set(), "write who may use these into tests/contract/routes.py"
    assert set(LISTED) - there == set(), "these are gone"


@pytest.mark.parametrize("role", [None, *Role], ids=str)
def test_whom_the_routes_let_in(callers: Callers, role: Role | None) -> None:
    wrong = []
    for route, needed in LISTED.items():
        if needed is None:
            continue
        allowed = role is not None and role.may(needed)
        if allowed and route in ENDLESS:
            continue
        status, leads_to = callers.call(route, role)
        page = "/api/" not in route
        if allowed:
            good = status not in (401, 403) and not leads_to.startswith("/login")
        elif role is None:
            good = leads_to.startswith("/login") if page else status == 401
        else:
            good = status == 403
        if not good:
            wrong.append(f"{route}: {status} {leads_to}")
    assert wrong == []


def test_a_browsers_session_changes_nothing_without_the_pages_own_token(callers: Callers) -> None:
    client = TestClient(callers.office.nobody.app, base_url="https://testserver", follow_redirects=False)
    assert client.get(f"/?token={callers.tokens[Role.ADMINISTRATOR]}").status_code == 303
    assert client.get("/users").status_code == 200
    wrong = []
    for route, needed in LISTED.items():
        method, path = route.split()
        if needed is None or method == "GET":
            continue
        answer = client.request(method, re.sub(r"{\w+}", "khong-co", path))
        if answer.status_code != 403:
            wrong.append(f"{route}: {answer.status_code}")
    assert wrong == []
    assert client.get("/users").status_code == 200
