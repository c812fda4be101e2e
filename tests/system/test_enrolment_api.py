"""Units that ask to be admitted: approved by their digits, by a paper, or refused; and bad input."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from diemcau_agent.identity import boot_file
from diemcau_controller.actions.meeting_links import is_halls
from diemcau_controller.store.tables import Certificate, Cut, Enrolment, Occurrence, Site, Unit
from diemcau_wire.enrolment import PATH, EnrolState, Verdict, fingerprint_of
from diemcau_wire.messages import DesiredSchedule
from sqlalchemy import select

from tests.system.asking_unit import AskingUnit
from tests.system.office import UNIT, Office, furnished, meeting

NUMBERS = count(1)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with furnished(tmp_path_factory.mktemp("enrolment") / "state") as made:
        yield made


@pytest.fixture(autouse=True)
def _an_hour_later(office: Office) -> Iterator[None]:
    """Wrong tries and requests of one test are no matter of the next."""
    yield
    office.later(hours=2)
    for alarm in office.get("enrolments")["alarms"]:
        office.http.post(f"/api/v1/enrolments/alarms/{alarm['number']}/lift")


@pytest.fixture
def site(office: Office) -> str:
    """A site that has no unit yet."""
    return str(office.add("sites", name=f"Xã chưa có máy {next(NUMBERS)}")["id"])


def approve(office: Office, code: str, site: str, what: str = "install") -> Any:
    return office.http.post("/api/v1/enrolments/approve", json={"code": code, "site": site, "what": what})


def waiting_of(office: Office, unit: AskingUnit) -> Any:
    return next(one for one in office.get("enrolments")["waiting"] if one["unit"] == unit.unit)


def code_of_answer(answer: Any) -> str:
    return str(answer.json()["code"])


def test_a_blank_unit_is_approved_by_its_digits_and_fetches_its_certificate(
    office: Office, site: str
) -> None:
    unit = AskingUnit(office.nobody, name="u000000000000")
    code = unit.ask()
    assert unit.status().state is EnrolState.WAITING
    assert unit.identity().verdict is Verdict.WAITING
    waiting = waiting_of(office, unit)
    assert waiting["unit"] == unit.unit and waiting["serial"] == "DC-2026-0117"
    assert code not in str(waiting), "codes are typed from a screen, never shown"
    assert office.add("enrolments/look", code=f" {code[:3]} {code[3:6]} {code[6:]}")["unit"] == unit.unit

    done = approve(office, code, site).json()
    assert (done["unit"], done["site"], done["epoch"], done["former"]) == (unit.unit, site, 1, None)
    assert unit.status().state is EnrolState.APPROVED and (unit.status().site_name or "").startswith(
        "Xã chưa có máy"
    )
    answer = unit.identity()
    assert (answer.verdict, answer.site, answer.epoch) == (Verdict.CERTIFICATE, site, 1)
    leaf, intermediate = x509.load_pem_x509_certificates((answer.certificate or "").encode())
    (name,) = [part.value for part in leaf.subject if part.oid == x509.NameOID.COMMON_NAME]
    assert name == unit.unit, "the id follows from the key, whatever the request says"
    leaf.verify_directly_issued_by(intermediate)
    assert (answer.ssh_host_certificate or "").startswith("ssh-ed25519-cert-v01@openssh.com ")
    assert unit.identity().certificate == answer.certificate, "again the same, for ever"
    with office.database.read() as session:
        row = session.scalars(select(Enrolment).where(Enrolment.unit_id == unit.unit)).one()
        assert row.fetched_at is not None and row.decided_by == "local"
    assert {"unit.install"} <= {row["action"] for row in office.get("audit")["changes"]}


def test_the_same_decision_again_is_fine_and_another_is_refused(office: Office, site: str) -> None:
    unit = AskingUnit(office.nobody)
    code = unit.ask()
    first, again = approve(office, code, site), approve(office, code, site)
    assert first.json()["epoch"] == again.json()["epoch"] == 1 and again.status_code == 200
    other = approve(office, code, "huyen")
    assert other.status_code == 409 and code_of_answer(other) == "enrol.code_used_for"


def test_a_replacement_takes_everything_from_the_unit_before(office: Office, site: str) -> None:
    old = AskingUnit(office.nobody)
    assert approve(office, old.ask(), site).is_success
    old_serial = _serial(old.identity().certificate)
    starts = (office.time + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    found = meeting(office, sites=[site, "ea-kiet"], starts_at=starts)
    mine = select(Occurrence).where(Occurrence.meeting_id == found)
    with office.database.read() as session:
        pins = {row.id: row.pin for row in session.scalars(mine)}
        check_pin = session.get_one(Site, site).check_pin
    told_old = [one for one in office.post.take(DesiredSchedule) if one.unit == old.unit][-1]
    phone = told_old.meetings[0].phone
    assert phone is not None and _is_link(office, told_old.meetings[0].id, site, phone)
    office.post.letters.clear()

    spare = AskingUnit(office.nobody)
    code = spare.ask()
    assert code_of_answer(approve(office, code, site)) == "enrol.site_has_unit"
    done = approve(office, code, site, "replace").json()
    assert (done["former"], done["epoch"]) == (old.unit, 2)
    assert spare.identity().epoch == 2
    with office.database.read() as session:
        gone = session.get_one(Unit, old.unit)
        assert (gone.site_id, gone.ended, gone.upload_token_hash) == (None, "replaced", None)
        assert session.get_one(Certificate, old_serial).why == "replaced"
        for row in session.scalars(mine):
            assert row.pin != pins[row.id] and not row.room_made, "the PIN it knew is another now"
        assert session.get_one(Site, site).check_pin != check_pin
        new_pins = {row.pin for row in session.scalars(mine)}
    schedules = {letter.unit: letter for letter in office.post.take(DesiredSchedule)}
    assert schedules.keys() == {old.unit, spare.unit, UNIT}
    assert schedules[old.unit].meetings == []
    told = {one.join.pin for one in schedules[UNIT].meetings if one.join is not None}
    assert told == new_pins, "the others know the new PIN at once"
    (mine_now,) = schedules[spare.unit].meetings
    assert mine_now.phone is not None and _is_link(office, mine_now.id, site, mine_now.phone)
    assert not _is_link(office, mine_now.id, site, phone), (
        "nor does the address the old one showed open anything"
    )

    assert old.identity().verdict is Verdict.REPLACED and old.identity().certificate is None
    back = old.request()
    assert back.status_code == 409 and code_of_answer(back) == "enrol.replaced"
    assert office.refused(409, "units", id=old.unit, site=site).startswith(f"unit {old.unit} was replaced")


def _is_link(office: Office, occurrence: str, site: str, address: str) -> bool:
    """Does this address open the hall's phone page?"""
    with office.database.read() as session:
        row = session.get_one(Occurrence, occurrence)
        return is_halls(session, row, site, address.rpartition("/")[2])


def test_a_meeting_that_runs_gets_another_pin_too(office: Office, site: str) -> None:
    assert approve(office, AskingUnit(office.nobody).ask(), site).is_success
    starts = (office.time + timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M")  # now, in Vietnam
    found = meeting(office, sites=[site, "huyen"], starts_at=starts)
    with office.database.read() as session:
        running = session.scalars(select(Occurrence).where(Occurrence.meeting_id == found)).one()
        assert running.opens_at <= office.time
    assert approve(office, AskingUnit(office.nobody).ask(), site, "replace").is_success
    with office.database.read() as session:
        assert session.get_one(Occurrence, running.id).pin != running.pin


def test_bad_requests_of_units(office: Office, site: str) -> None:
    unit, other = AskingUnit(office.nobody), AskingUnit(office.nobody)
    damaged = unit.csr().replace("A", "B", 1)
    assert code_of_answer(unit.request(csr=damaged)) == "enrol.csr"
    assert unit.post("requests", {"csr": unit.csr()}).status_code == 422
    assert code_of_answer(unit.request(ssh_host_key="ssh-ed25519 AAAA")) == "enrol.csr"
    assert code_of_answer(unit.request(ssh_host_key=other.ssh_host_key)) == "enrol.ssh_proof", "another's key"
    assert code_of_answer(unit.request(commitment="0" * 64)) == "enrol.ssh_proof", "of another request"
    assert code_of_answer(unit.request(csr=other.csr())) == "enrol.ssh_proof", "of another unit"
    assert code_of_answer(unit.request(ssh_proof=None)) == "enrol.ssh_proof", "an older program"
    assert office.nobody.post(f"{PATH}/requests", content=b"\xff{").status_code == 422
    assert office.nobody.post(f"{PATH}/requests", content=b"x" * 70_000).status_code == 413
    assert unit.post("requests/e-nothing/reveal", {"nonce": "0" * 32}).status_code == 404

    assert unit.request().status_code == 201
    assert unit.open("0" * 32).status_code == 409
    assert unit.status().state is EnrolState.OVER, "another nonce than the one it committed to ends it"
    assert unit.open().status_code == 409

    first = unit.ask()
    assert unit.open().status_code == 204, "opened again after a power cut"
    foreign = other.sign(b"anything")
    assert unit.answer is not None
    asked = f"requests/{unit.answer.request}/status"
    assert code_of_answer(unit.post(asked, {"signature": foreign})) == "enrol.proof"
    second = unit.ask()
    assert first != second
    assert code_of_answer(approve(office, first, site)) == "enrol.code_expired", (
        "a newer request ends the older"
    )
    assert approve(office, second, site).is_success


def test_bad_questions_who_am_i(office: Office) -> None:
    unit, other = AskingUnit(office.nobody), AskingUnit(office.nobody)
    assert unit.identity().verdict is Verdict.UNKNOWN
    body = unit.identity_request()
    stolen = {**body, "public_key": other.public_pem}
    assert code_of_answer(unit.post("identity", stolen)) == "enrol.proof", "in somebody else's name"
    assert code_of_answer(unit.post("identity", {**body, "join_count": 7})) == "enrol.proof"
    assert code_of_answer(unit.post("identity", {**body, "nonce": "ab" * 32})) == "enrol.challenge"
    office.later(minutes=3)
    assert code_of_answer(unit.post("identity", body)) == "enrol.challenge"


def test_codes_that_are_wrong_expired_or_decided(office: Office, site: str) -> None:
    unit = AskingUnit(office.nobody)
    code = unit.ask()
    assert code_of_answer(approve(office, "12345", site)) == "enrol.code_digits"
    wrong = f"{(int(code) + 1) % 10**9:09}"
    answer = approve(office, wrong, site)
    assert answer.status_code == 404 and code_of_answer(answer) == "enrol.no_such_code"
    assert code_of_answer(approve(office, code, site, "replace")) == "enrol.nothing_to_replace"
    assert approve(office, code, "khong-co").status_code == 404
    office.later(minutes=16)
    assert code_of_answer(approve(office, code, site)) == "enrol.code_expired"
    assert unit.status().state is EnrolState.EXPIRED
    code = unit.ask()
    waiting = waiting_of(office, unit)
    office.http.post(f"/api/v1/enrolments/{waiting['id']}/refuse", json={"reason": "không rõ máy của ai"})
    assert unit.status().state is EnrolState.REFUSED
    assert code_of_answer(approve(office, code, site)) == "enrol.code_used"
    assert unit.identity().verdict is Verdict.UNKNOWN


def test_a_request_that_is_never_opened_is_gone_after_two_minutes(office: Office) -> None:
    unit = AskingUnit(office.nobody)
    assert unit.request().status_code == 201
    ids = [one["unit"] for one in office.get("enrolments")["waiting"]]
    assert unit.unit not in ids, "there are no digits yet"
    office.later(minutes=3)
    assert unit.status().state is EnrolState.EXPIRED


def test_a_unit_that_is_bound_continues_where_it_was(office: Office, site: str) -> None:
    unit = AskingUnit(office.nobody)
    assert approve(office, unit.ask(), site).is_success
    assert unit.request().status_code == 201
    assert unit.status().state is EnrolState.APPROVED and unit.open().status_code == 204
    assert unit.identity().epoch == 1, "the same binding"


def test_one_address_cannot_ask_for_ever(office: Office) -> None:
    answers = [AskingUnit(office.nobody).request().status_code for _ in range(42)]
    assert answers[:40] == [201] * 40 and answers[40:] == [429, 429]
    office.later(minutes=16)
    assert AskingUnit(office.nobody).request().status_code == 201


def _is_revoked_host(office: Office, unit: AskingUnit) -> bool:
    """Is its SSH host key on the list of those revoked?"""
    krl = office.state.authority / "ssh/revoked_hosts"
    return base64.b64decode(unit.ssh_host_key.split()[1]) in krl.read_bytes()


def test_a_unit_of_a_removed_site_hears_that_its_service_has_ended(office: Office, site: str) -> None:
    unit = AskingUnit(office.nobody)
    assert approve(office, unit.ask(), site).is_success
    serial = _serial(unit.identity().certificate)
    assert office.http.delete(f"/api/v1/sites/{site}").is_success
    answer = unit.identity()
    assert (answer.verdict, answer.certificate) == (Verdict.REVOKED, None), "not unknown: it wipes itself"
    with office.database.read() as session:
        assert session.get_one(Certificate, serial).revoked_at is not None
        assert session.get_one(Cut, unit.unit).wanted_at is not None
    assert _is_revoked_host(office, unit)
    office.add(f"sites/{site}/restore")
    spare = AskingUnit(office.nobody)
    assert approve(office, spare.ask(), site).is_success, "as after a revocation, with a new key"


def test_revoked(office: Office, site: str) -> None:
    unit = AskingUnit(office.nobody)
    assert approve(office, unit.ask(), site).is_success
    assert office.refused(422, f"units/{unit.unit}/revoke", reason=" ")
    answer = office.http.post(f"/api/v1/units/{unit.unit}/revoke", json={"reason": "bị mất cắp"})
    assert answer.status_code == 204
    assert unit.identity().verdict is Verdict.REVOKED
    assert code_of_answer(unit.request()) == "enrol.revoked"
    assert _is_revoked_host(office, unit)
    with office.database.read() as session:
        assert session.get_one(Site, site).unit is None


def test_a_certificate_near_its_end_is_renewed_and_an_ended_one_too(office: Office, site: str) -> None:
    unit = AskingUnit(office.nobody)
    assert approve(office, unit.ask(), site).is_success
    first = unit.identity().certificate
    office.later(days=365)
    assert unit.identity().certificate == first
    office.later(days=200)
    second = unit.identity().certificate
    assert second != first
    assert unit.identity().certificate == second
    with office.database.read() as session:
        assert session.get_one(Certificate, _serial(first)).why == "renewed", "the new one is in use"
    office.later(days=800)  # it has ended
    assert unit.identity().certificate not in (first, second)


def _serial(pem: str | None) -> str:
    return f"{x509.load_pem_x509_certificates((pem or '').encode())[0].serial_number:x}"


# ── papers ───────────────────────────────────────────────────────────────────────────────────────


def paper(office: Office, site: str, **more: Any) -> tuple[str, str]:
    made = office.add("vouchers", site=site, **more)
    line = next(line for line in made["text"].splitlines() if line.startswith("voucher="))
    return made["id"], line.removeprefix("voucher=").strip('"')


def test_a_unit_can_read_the_paper(office: Office, site: str, tmp_path: Path) -> None:
    spec = {"ssid": 'UBND "xã"', "password": "mật\\khẩu", "apn": "v-internet"}
    made = office.add("vouchers", site=site, what="replace", **spec)
    assert len(made["text"].encode()) < 600, "a QR code of that much can still be read by a camera"
    (tmp_path / "diemcau.toml").write_text(made["text"])
    read = boot_file.read([tmp_path / "diemcau.toml"])
    assert read is not None and read.network is not None
    assert read.address == office.controller.settings.web_url and len(read.roots) == 2
    assert (read.network.ssid, read.network.password, read.network.apn) == tuple(spec.values())
    unit = AskingUnit(office.nobody)
    assert {fingerprint_of(root) for root in unit.roots()} >= read.roots
    unit.ask(voucher=read.voucher)
    assert unit.status().state is EnrolState.APPROVED, "with no unit there, it installs"


def test_a_paper_admits_one_unit_by_itself(office: Office, site: str) -> None:
    made, voucher = paper(office, site, ssid="UBND xã", password='mật "khẩu"')
    unit, second = AskingUnit(office.nobody), AskingUnit(office.nobody)
    unit.ask(voucher=voucher)
    assert unit.status().state is EnrolState.APPROVED and unit.identity().site == site
    second.ask(voucher=voucher)
    assert second.status().state is EnrolState.WAITING and second.status().reason == "enrol.voucher_used"
    row = next(one for one in office.get("vouchers") if one["id"] == made)
    assert row["used_by"] == unit.unit
    audited = next(row for row in office.get("audit")["changes"] if row["action"] == "unit.install")
    assert audited["who"] == f"voucher:{made}"
    with office.database.read() as session:
        assert "khẩu" not in str([row.__dict__ for row in session.scalars(select(Enrolment))])


@pytest.mark.parametrize("fault", ["expired", "withdrawn", "unknown", "other_site"])
def test_a_paper_that_does_not_do_leaves_the_unit_waiting(office: Office, site: str, fault: str) -> None:
    made, voucher = paper(office, site)
    if fault == "expired":
        office.later(days=8)
    elif fault == "withdrawn":
        assert office.http.delete(f"/api/v1/vouchers/{made}").status_code == 204
    elif fault == "unknown":
        voucher = f"{voucher[:-1]}{'0' if voucher[-1] != '0' else '1'}"
    else:
        assert approve(office, AskingUnit(office.nobody).ask(), site).is_success
    unit = AskingUnit(office.nobody)
    code = unit.ask(voucher=voucher)
    status = unit.status()
    assert status.state is EnrolState.WAITING and status.reason == f"enrol.voucher_{fault}"
    if fault != "other_site":
        assert approve(office, code, site).is_success, "it waits like any other"


# ── wrong tries ──────────────────────────────────────────────────────────────────────────────────


def test_after_five_wrong_codes_the_right_one_is_refused_too_until_somebody_lifts_it(tmp_path: Path) -> None:
    with furnished(tmp_path / "state") as office:
        unit = AskingUnit(office.nobody)
        code = unit.ask()
        for number in range(5):
            assert code_of_answer(approve(office, f"{number:09}", "huyen")) == "enrol.no_such_code"
            office.later(seconds=30)
        assert code_of_answer(approve(office, code, "huyen")) == "enrol.too_many"
        assert code_of_answer(approve(office, "000000000", "huyen")) == "enrol.too_many"
        assert {one["scope"] for one in office.get("enrolments")["alarms"]} == {"account", "source"}
    office = Office(tmp_path / "state")  # a restart
    try:
        office.later(minutes=5)
        unit.http = office.nobody
        code = unit.ask()
        assert code_of_answer(approve(office, code, "huyen")) == "enrol.too_many", "it stands after a restart"
        office.later(days=1)
        code = unit.ask()
        assert code_of_answer(approve(office, code, "huyen")) == "enrol.too_many", "and never ends by itself"
        for alarm in office.get("enrolments")["alarms"]:
            lifted = office.http.post(f"/api/v1/enrolments/alarms/{alarm['number']}/lift")
            assert lifted.status_code == 204
        assert approve(office, code, "huyen").is_success
        actions = [row["action"] for row in office.get("audit")["changes"]]
        assert actions.count("enrolment.alarm") == 2 and actions.count("enrolment.lift") == 2
    finally:
        office.close()


def test_wrong_papers_lock_out_papers_of_that_address_only(office: Office, site: str) -> None:
    made, voucher = paper(office, site)
    for number in range(5):
        AskingUnit(office.nobody).ask(voucher=f"{made}.{number:032}")
    unit = AskingUnit(office.nobody)
    code = unit.ask(voucher=voucher)
    assert unit.status().reason == "enrol.too_many"
    assert approve(office, code, site).is_success, "somebody can still approve it"


# ── technicians ──────────────────────────────────────────────────────────────────────────────────


def test_a_technician_acts_within_work_orders(office: Office, site: str) -> None:
    office.add("users", name="ky-thuat", role="technician")
    token = office.add("users/ky-thuat/token")["token"]
    bearer = {"Authorization": f"Bearer {token}"}

    def mine(code: str, site: str = site, what: str = "install") -> Any:
        body = {"code": code, "site": site, "what": what}
        return office.nobody.post("/api/v1/enrolments/approve", json=body, headers=bearer)

    unit = AskingUnit(office.nobody)
    code = unit.ask()
    assert mine(code).status_code == 404, "without an order it sees no site"
    order = office.add("work-orders", site=site, what="replace", technician="ky-thuat")
    assert code_of_answer(mine(code)) == "enrol.no_order", "that order is for a replacement"
    assert office.http.post(f"/api/v1/work-orders/{order['id']}/close").status_code == 204
    assert office.refused(409, f"work-orders/{order['id']}/close")
    office.add("work-orders", site=site, what="install", technician="ky-thuat", note="cạnh bục")
    assert office.nobody.get("/api/v1/work-orders", headers=bearer).json()[0]["note"] == "cạnh bục"
    assert mine(code).json()["unit"] == unit.unit
    done = office.nobody.get("/api/v1/work-orders", headers=bearer).json()
    assert [(one["closed_at"] is None, one["unit"]) for one in done] == [(True, unit.unit), (False, None)]
    assert office.nobody.get(f"/api/v1/sites/{site}", headers=bearer).is_success, "it follows its unit"
    assert office.nobody.get("/api/v1/enrolments", headers=bearer).status_code == 403
    spare = AskingUnit(office.nobody)
    code = spare.ask()
    assert code_of_answer(mine(code, what="replace")) == "enrol.no_order"
    office.later(days=4)
    code = spare.ask()
    assert mine(code).status_code == 403, "the order's day is over"
    assert office.refused(422, "work-orders", site=site, what="install", technician="local")


def test_the_right_code_at_the_wrong_site_counts(office: Office, site: str) -> None:
    office.add("users", name="ky-thuat-2", role="technician")
    office.add("work-orders", site=site, what="install", technician="ky-thuat-2")
    bearer = {"Authorization": f"Bearer {office.add('users/ky-thuat-2/token')['token']}"}
    unit = AskingUnit(office.nobody)
    code = unit.ask()
    for _ in range(5):
        body = {"code": code, "site": "ea-kiet", "what": "replace"}
        assert office.nobody.post("/api/v1/enrolments/approve", json=body, headers=bearer).status_code == 404
    scopes = {one["scope"] for one in office.get("enrolments")["alarms"]}
    assert scopes == {"account", "source", "code"}
    assert code_of_answer(approve(office, code, site)) == "enrol.too_many", (
        "nobody can use that code any more"
    )


def test_fifty_wrong_tries_of_all_lock_everybody_out(office: Office, site: str) -> None:
    headers = []
    for number in range(10):
        office.add("users", name=f"p{number}", role="operator")
        headers.append({"Authorization": f"Bearer {office.add(f'users/p{number}/token')['token']}"})
    from diemcau_controller.actions.wrong_tries import count_try, standing_alarms
    from diemcau_controller.rules.enrolment import Try

    def tries(session: Any) -> list[str]:
        for number in range(50):
            one = Try(office.time + timedelta(seconds=number), f"p{number % 13}", f"192.0.2.{number}")
            count_try(session, office.time + timedelta(seconds=number), one)
        return [alarm.scope for alarm in standing_alarms(session)]

    scopes = office.writer.submit(tries, urgent=True).result()
    assert scopes == ["all"], "nobody alone tried five times"
    code = AskingUnit(office.nobody).ask()
    assert code_of_answer(approve(office, code, site)) == "enrol.too_many"
