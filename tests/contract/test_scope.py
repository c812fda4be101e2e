"""Who is bound to an area is answered, about what lies in another one, as about what there is not."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from diemcau_controller.rules.actor import Role
from fastapi.testclient import TestClient

from tests.system.office import Office
from tests.system.one_of_everything import Values, furnish

from .test_routes import ENDLESS, LISTED

SCOPED = {"site", "meeting", "unit", "incident", "attendee"}
FURTHER = {"number", "attachment", "person", "date", "verb"}  # what only means something within these
NOBODYS = {"unit": "u00000000ffff", "number": "1", "date": "skip", "verb": "skip"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("office"))
    yield made
    made.close()


def routes() -> Iterator[tuple[str, str, list[str]]]:
    """Method, path and parameters of each route about something that is in scope or not."""
    for route, needed in LISTED.items():
        method, path = route.split()
        names = re.findall(r"{(\w+)}", path)
        if needed is not None and SCOPED & set(names) <= set(names) <= SCOPED | FURTHER and names:
            yield method, path, names


def ways(path: str, names: list[str], known: Values) -> Iterator[str]:
    """The path with each combination of what there is; a meeting's in all its forms."""
    for values in itertools.product(*(known.get(name, ["skip"]) for name in names)):
        yield path.format(**dict(zip(names, values, strict=True)))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMINISTRATOR], ids=str)
def test_what_lies_in_another_area_is_not_there(office: Office, role: Role) -> None:
    number = 2 * list(Role).index(role) + 1
    furnish(office, number)
    theirs = furnish(office, number + 1)
    name = f"bound-{role}"
    office.add("users", name=name, role=role.value, area=f"cum-{number}")
    token = office.add(f"users/{name}/token")["token"]
    http = TestClient(office.nobody.app, base_url="https://testserver", follow_redirects=False)
    http.headers["Authorization"] = f"Bearer {token}"
    changes = office.get("audit")["total"]
    wrong, asked = [], 0
    for method, path, names in routes():
        needed = LISTED[f"{method} {path}"]
        assert needed is not None
        if not role.may(needed) or f"{method} {path}" in ENDLESS:
            continue
        nothing = http.request(method, path.format(**{one: NOBODYS.get(one, "khong-co") for one in names}))
        for way in ways(path, names, theirs):
            asked += 1
            answer = http.request(method, way)
            if answer.status_code != nothing.status_code or answer.is_success:
                wrong.append(f"{method} {way}: {answer.status_code}, not {nothing.status_code}")
            elif method == "GET" and answer.status_code not in (404, 308):  # 308: an old address
                wrong.append(f"{method} {way}: {answer.status_code}, not 404")
    assert asked > 30
    assert not wrong, "\n".join(wrong)
    assert office.get("audit")["total"] == changes
