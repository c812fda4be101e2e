"""The controller and its authority: what is written down, what health says, which certificates are taken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_controller.actions.certificates import standing
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.authority.roots import rotate, take_offline
from diemcau_controller.services.authority_keeper import AuthorityKeeper
from diemcau_controller.store.tables import Certificate
from sqlalchemy import select

from tests.system.office import Office, furnished


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with furnished(tmp_path_factory.mktemp("authority") / "state") as made:
        Authority(made.state.authority).ensure()
        yield made


def changes(office: Office) -> list[dict[str, dict[str, object]]]:
    return list(reversed(office.get("audit?subject=authority:roots")["changes"]))


def test_what_a_person_changed_is_in_the_list_and_health_says_what_to_do(
    office: Office, tmp_path: Path
) -> None:
    authority, keeper = Authority(office.state.authority), AuthorityKeeper(office.controller)

    def health() -> str:
        asyncio.run(keeper.look())
        answer: str = office.nobody.get("/healthz").json()["authority"]
        return answer

    assert "take-offline" in health() and "take-offline" in health()
    (first,) = changes(office)
    assert first["after"]["root_keys_here"] == ["root-1", "root-2"]
    assert str(first["after"]["active_root"]).startswith("root-1 ")

    take_offline(authority, tmp_path)
    assert health() == "ok"
    assert changes(office)[1]["after"] == {"root_keys_here": []}
    rotate(authority, tmp_path)
    assert "root-1 is still trusted" in health()
    turned = changes(office)[2]
    assert turned["after"]["former_roots"] == [first["after"]["active_root"]]
    assert office.state.ca_certificate.read_bytes() == authority.ca_pem()
    asyncio.run(AuthorityKeeper(office.controller).look())  # after a restart: nothing new
    assert len(changes(office)) == 3
    page = office.http.get("/audit?subject=authority:roots").text
    assert "Thay đổi hệ thống chứng thực" in page and "khóa gốc đang dùng" in page
    assert "Khóa gốc cũ root-1 vẫn còn hiệu lực" in page

    online = authority.intermediate_path.read_bytes()
    authority.intermediate_path.write_bytes(b"garbage")
    assert "damaged" in health()
    authority.intermediate_path.write_bytes(online)
    assert "root-1 is still trusted" in health()


def test_a_certificate_is_written_down_with_the_unit_it_is_of(office: Office, tmp_path: Path) -> None:
    authority = Authority(office.state.authority)
    unit = authority.new_unit_identity(tmp_path / "unit", "192.0.2.1", 8883)
    other = Authority(tmp_path / "other")
    stranger = other.new_unit_identity(tmp_path / "stranger", "192.0.2.1", 8883)
    ours, foreign = ((tmp_path / name / "unit.crt").read_text() for name in ("unit", "stranger"))
    for named, certificate in ((stranger, foreign), (stranger, ours), (unit, "garbage")):
        office.refused(422, "units", id=named, site="ea-kiet", certificate=certificate)
    office.add("units", id=unit, site="ea-kiet", certificate=ours)
    office.add("units", id=unit, site="ea-kiet", certificate=ours)
    with office.database.read() as session:
        (row,) = session.scalars(select(Certificate).where(Certificate.unit_id == unit))
        issued = authority.recognise(ours)
        assert (row.serial, row.not_after) == (issued.serial, issued.not_after)
        assert standing(session, row.serial) == "good"
