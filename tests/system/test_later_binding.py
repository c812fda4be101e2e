"""A spare put in place after the backup: told to a person, taken over or turned away, never unasked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from diemcau_controller.actions.backup import make_backup
from diemcau_controller.actions.restore import restore
from diemcau_controller.adapters.age import new_key
from diemcau_controller.adapters.authority import Authority
from diemcau_wire.enrolment import Verdict

from tests.system.asking_unit import AskingUnit
from tests.system.office import UNIT, Office, furnished

SITE = "ea-kiet"


class Restored(Office):
    """The office that came back from the backup, at the same time of day."""

    def __init__(self, folder: Path, before: Office) -> None:
        super().__init__(folder)
        self.time = before.time


@pytest.fixture
def spare_and_restored(tmp_path: Path) -> Iterator[tuple[AskingUnit, Restored]]:
    """A spare that took the place of the site's unit after the backup; the office that does not know it."""
    public = new_key(tmp_path / "key")
    with furnished(tmp_path / "lost") as lost:
        Authority(lost.state.authority, lost.controller.now).ensure()
        made = make_backup(lost.state, tmp_path / "backups", [public], lost.time)
        lost.later(hours=1)
        spare = AskingUnit(lost.nobody)
        body = {"code": spare.ask(), "site": SITE, "what": "replace"}
        assert lost.http.post("/api/v1/enrolments/approve", json=body).is_success
        assert spare.identity().verdict is Verdict.CERTIFICATE
        lost.later(hours=1)
    restore(made.path, tmp_path / "key", tmp_path / "restored", lost.time)
    office = Restored(tmp_path / "restored", lost)
    spare.http = office.nobody
    yield spare, office
    office.close()


def test_confirmed_it_serves_its_site(spare_and_restored: tuple[AskingUnit, Restored]) -> None:
    spare, office = spare_and_restored
    assert office.get(f"sites/{SITE}")["unit"]["id"] == UNIT, "as the backup knows it"
    answer = spare.identity()
    assert (answer.verdict, answer.site, answer.certificate) == (Verdict.WAITING, None, None)
    assert answer.generation == 2
    spare.identity()  # again is nothing new
    (later,) = office.get("later-bindings")
    assert (later["unit"], later["site"], later["epoch"]) == (spare.unit, SITE, 2)
    (incident,) = office.get("incidents")
    assert incident["title"] == "Thiết bị được thay thế sau bản sao lưu"
    assert office.get("audit?action=unit.later")["total"] == 1

    office.refused(422, f"later-bindings/{spare.unit}", verdict="perhaps")
    office.refused(404, "later-bindings/u000000000000", verdict="confirm")
    assert office.add(f"later-bindings/{spare.unit}", verdict="confirm") == {"unit": spare.unit, "epoch": 3}
    office.refused(409, f"later-bindings/{spare.unit}", verdict="deny")
    answer = spare.identity()
    assert (answer.verdict, answer.site, answer.epoch) == (Verdict.CERTIFICATE, SITE, 3)
    assert office.get(f"sites/{SITE}")["unit"]["id"] == spare.unit
    assert office.get("later-bindings") == []
    assert office.get(f"units/{UNIT}")["site"] is None


def test_the_front_door_tells_of_it_too(spare_and_restored: tuple[AskingUnit, Restored]) -> None:
    spare, office = spare_and_restored
    leaf = x509.load_pem_x509_certificate((spare.held or "").encode())
    shown = {
        "X-Client-Verify": "SUCCESS",
        "X-Client-Subject": leaf.subject.rfc4514_string({NameOID.SERIAL_NUMBER: "serialNumber"}),
        "X-Client-Serial": f"{leaf.serial_number:X}",
    }
    for _ in range(2):
        assert office.nobody.get("/healthz", headers=shown).status_code == 403
    (later,) = office.get("later-bindings")
    assert (later["unit"], later["site"], later["epoch"]) == (spare.unit, SITE, 2)
    assert office.get("audit?action=unit.later")["total"] == 1


def test_the_page_asks_the_office(spare_and_restored: tuple[AskingUnit, Restored]) -> None:
    spare, office = spare_and_restored
    spare.identity()
    office.nobody.get(f"/?token={office.token}")
    page = office.nobody.get("/enrolments").text
    assert "thay thế sau bản sao lưu" in page and spare.unit in page
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    where = f"/enrolments/later/{spare.unit}"
    assert "Xin chọn" in office.nobody.post(where, data={"csrf": csrf, "verdict": ""}).text
    page = office.nobody.post(where, data={"csrf": csrf, "verdict": "confirm"}).text
    assert "Đã xác nhận thay thế" in page and "thay thế sau bản sao lưu" not in page
    assert office.get(f"sites/{SITE}")["unit"]["id"] == spare.unit


def test_denied_it_is_revoked(spare_and_restored: tuple[AskingUnit, Restored]) -> None:
    spare, office = spare_and_restored
    spare.identity()
    office.add(f"later-bindings/{spare.unit}", verdict="deny")
    assert spare.identity().verdict is Verdict.REVOKED
    assert office.get(f"sites/{SITE}")["unit"]["id"] == UNIT


def test_nothing_is_told_of_what_is_no_later_binding(
    spare_and_restored: tuple[AskingUnit, Restored],
) -> None:
    spare, office = spare_and_restored
    held, spare.held = spare.held, None
    assert spare.identity().verdict is Verdict.UNKNOWN, "without the certificate it is a stranger"
    stranger = AskingUnit(office.nobody)
    stranger.held = held
    assert stranger.identity().verdict is Verdict.UNKNOWN, "with somebody else's, too"
    body = {"code": stranger.ask(), "site": SITE, "what": "replace"}
    assert office.http.post("/api/v1/enrolments/approve", json=body).is_success
    spare.held = held
    assert spare.identity().verdict is Verdict.UNKNOWN, "of its epoch there is another one now"
    assert office.get("later-bindings") == []


def test_before_any_restore_nobody_is_later(tmp_path: Path) -> None:
    with furnished(tmp_path / "state") as office:
        authority = Authority(office.state.authority, office.controller.now)
        authority.ensure()
        unit = AskingUnit(office.nobody)
        unit.held = authority.sign_unit(unit.public_pem, site=SITE, epoch=9).pem_chain
        assert unit.identity().verdict is Verdict.UNKNOWN
        assert office.get("later-bindings") == []
