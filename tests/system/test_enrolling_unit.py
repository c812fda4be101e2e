"""A box asks to be a unit: the whole way, strangers, papers and boot files.

Against a small honest coordinator (`enrolment_peer.py`); the whole product is in `test_enrolment.py`.
"""

from __future__ import annotations

import errno
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from diemcau_agent.identity import boot_file, enrol, renew
from diemcau_agent.identity.talk import UnitGone
from diemcau_agent.unit.state_folder import StateFolder, read_identity
from diemcau_wire.enrolment import Verdict, in_threes

from tests.system.blank_box import MARKS, Hall, admit, bound, prepare
from tests.system.enrolment_peer import Peer

pytestmark = [pytest.mark.namespace, pytest.mark.usefixtures("no_boot_file")]


# ── the whole way ────────────────────────────────────────────────────────────────────────────────


def test_from_a_blank_box_to_a_unit(peer: Peer, folder: StateFolder) -> None:
    peer.approve_at = 2
    hall = Hall()
    assert admit(folder, hall, peer.address) is Verdict.CERTIFICATE
    assert bound(folder)
    (asked,) = peer.requests.values()
    assert hall.last("code")["code"] == asked.code, "both sides computed the same digits"
    assert hall.last("code")["qr"] == f"{peer.address}/e#{asked.code}"
    assert len(in_threes(str(asked.code))) == 11
    steps = [line["step"] for line in hall.told if line["type"] == "step"]
    assert steps == ["address", "time"] and hall.last("verdict")["site_name"] == "Xã Ea Kpam"
    assert read_identity(folder).unit == asked.unit
    assert folder.arriving.exists() and not folder.enrolment.exists()
    assert (folder.unit_key.stat().st_mode | folder.ssh_key.stat().st_mode) & 0o077 == 0
    assert asked.code not in "".join(peer.questions), "the code never travels"


def test_a_code_that_ended_gives_way_to_a_new_one(peer: Peer, folder: StateFolder) -> None:
    hall = Hall(patience=6)

    def late() -> None:
        for one in peer.requests.values():
            one.expires_at = datetime.now(UTC) - timedelta(seconds=1)

    hall.waits = late
    with pytest.raises(UnitGone):
        admit(folder, hall, peer.address)
    assert len({line["code"] for line in hall.told if line["type"] == "code"}) >= 2
    assert hall.failed() == "", "it is nothing that fails"


def test_refused_is_said_and_a_new_code_comes(peer: Peer, folder: StateFolder) -> None:
    hall = Hall(patience=3)

    def refuse() -> None:
        for one in peer.requests.values():
            one.state = "refused" if one.state == "waiting" else one.state

    hall.waits = refuse
    with pytest.raises(UnitGone):
        admit(folder, hall, peer.address)
    assert hall.failed() == "refused" and len(peer.requests) >= 2


# ── strangers ────────────────────────────────────────────────────────────────────────────────────


def test_whoever_stands_between_shows_other_digits(tmp_path: Path, peer: Peer, folder: StateFolder) -> None:
    """A foreign authority: the digits on the screen are known to nobody at the office."""
    stranger = Peer(tmp_path / "stranger")
    try:
        hall = Hall(patience=2)
        with pytest.raises(UnitGone):
            admit(folder, hall, stranger.address)
        with pytest.raises(KeyError):
            peer.approve(hall.last("code")["code"])
    finally:
        stranger.close()


def test_expected_roots_keep_a_stranger_out_and_a_voucher_from_him(
    tmp_path: Path, peer: Peer, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Peer(tmp_path / "stranger")
    try:
        prepare(
            monkeypatch,
            tmp_path,
            address=stranger.address,
            roots=peer.fingerprints(),
            voucher="v-1.seal",
            phone="0905 123 456",
        )
        hall = Hall(patience=2)
        with pytest.raises(UnitGone):
            admit(folder, hall, [])
        assert hall.failed() == "foreign_authority" and not stranger.requests
        assert hall.last("prepared")["phone"] == "0905 123 456"
    finally:
        stranger.close()


def test_a_server_under_another_name(tmp_path: Path, folder: StateFolder) -> None:
    peer = Peer(tmp_path / "office", server_names=("hop.example",))
    try:
        hall = Hall(patience=1)
        with pytest.raises(UnitGone):
            admit(folder, hall, peer.address)
        assert hall.failed() == "wrong_host" and not peer.requests
    finally:
        peer.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, b"<html>Welcome</html>"), "no_coordinator"),
        ((302, b""), "no_coordinator"),
        ((200, b"[" * 100_000), "no_coordinator"),
        ((200, b"x" * 300_000), "no_coordinator"),
        ((500, b"{}"), "no_coordinator"),
        ((503, b""), "unreachable"),
        ((0, None), "unreachable"),
        (
            (200, {"v": 1, "roots": ["-----BEGIN NONSENSE-----\n"], "now": "2026-01-01T00:00:00Z"}),
            "no_coordinator",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_garbage_is_a_sentence_not_an_end(peer: Peer, folder: StateFolder, answer: Any, why: str) -> None:
    peer.difficult = lambda method, path: answer
    hall = Hall(patience=1)
    with pytest.raises(UnitGone):
        admit(folder, hall, peer.address)
    assert hall.failed() == why
    peer.difficult = lambda method, path: None
    peer.approve_at = 0
    assert admit(folder, Hall(), peer.address) is Verdict.CERTIFICATE


def test_the_coordinator_goes_away_half_way(peer: Peer, folder: StateFolder) -> None:
    hall = Hall(patience=12)
    times = iter(range(100))

    def away(method: str, path: str) -> Any:
        return (0, None) if path.endswith("/status") and 2 <= next(times) < 6 else None

    peer.difficult, peer.approve_at = away, 3
    assert admit(folder, hall, peer.address) is Verdict.CERTIFICATE
    codes = [line for line in hall.told if line["type"] == "code"]
    assert "line_lost" in [line["remark"] for line in codes] and len({line["code"] for line in codes}) == 1
    assert hall.failed() == ""


def test_nobody_is_found(folder: StateFolder) -> None:
    hall = Hall(patience=1)
    with pytest.raises(UnitGone):
        admit(folder, hall, [])
    assert hall.failed() in ("not_found", "no_line") and hall.last("scan") == {"type": "scan", "wanted": True}


def test_of_two_that_announce_themselves_the_one_that_answers_counts(peer: Peer, folder: StateFolder) -> None:
    peer.approve_at = 0
    assert admit(folder, Hall(), ["https://127.0.0.1:9", peer.address]) is Verdict.CERTIFICATE


# ── boot file and papers ─────────────────────────────────────────────────────────────────────────


def test_a_voucher_admits_by_itself_and_shows_no_digits(
    tmp_path: Path, peer: Peer, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.vouchers["v-1.seal"] = "xa-ea-kpam"
    prepare(monkeypatch, tmp_path, address=peer.address, roots=peer.fingerprints()[:1], voucher="v-1.seal")
    hall = Hall()
    assert admit(folder, hall, []) is Verdict.CERTIFICATE
    assert hall.last("code") == {}
    again = Hall(patience=2)
    with pytest.raises(UnitGone):
        admit(StateFolder(tmp_path / "second"), again, [])
    assert again.last("code")["remark"] == "voucher_used", "the second one waits for somebody, with digits"


def test_a_paper_before_the_camera(peer: Peer, folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrol, "has_line", lambda: False)
    peer.vouchers["v-1.seal"] = "xa-ea-kpam"
    hall = Hall(patience=4)
    papers = iter(
        [
            "BEGIN:VCARD",
            f'address = "{peer.address}"\nroots = {json.dumps(peer.fingerprints())}\n'
            'voucher = "v-1.seal"\n[network]\nssid = "UBND xa"\n',
        ]
    )

    def show() -> None:
        hall.scanned = next(papers, None)

    hall.waits = show
    assert admit(folder, hall, []) is Verdict.CERTIFICATE
    assert "foreign_code" in [line["why"] for line in hall.told if line["type"] == "failed"]
    assert hall.last("network")["ssid"] == "UBND xa" and hall.last("scan")["wanted"] is False


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('address = "https://a:1"\nroots = [', "2"),
        ('contact = "x"\naddress = "http://a:1"\n', "2"),
        ('address = "https://a:1"\n\nvoucheur = "x"\n', "3"),
        ('roots = ["abc"]\n', "1"),
        ("phone = 5\n", "1"),
        ('# x\n[network]\npassword = "only"\n', "2"),
        ("\ufeffphone = '1'\r\naddress = https\r\n", "2"),
    ],
)
def test_a_boot_file_that_is_wrong_names_its_line(
    tmp_path: Path, folder: StateFolder, monkeypatch: pytest.MonkeyPatch, content: str, line: str
) -> None:
    path = tmp_path / "diemcau.toml"
    path.write_bytes(content.encode())
    monkeypatch.setenv(boot_file.PLACES, str(path))
    hall = Hall(patience=1)
    with pytest.raises(UnitGone):
        admit(folder, hall, [])
    assert (hall.failed(), hall.last("failed")["line"]) == ("boot_file_broken", line)


def test_two_boot_files_that_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: StateFolder
) -> None:
    one, other = tmp_path / "a.toml", tmp_path / "b.toml"
    one.write_text('phone = "1"')
    other.write_text('phone = "2"')
    monkeypatch.setenv(boot_file.PLACES, f"{one}:{other}:{tmp_path / 'none.toml'}")
    hall = Hall(patience=1)
    with pytest.raises(UnitGone):
        admit(folder, hall, [])
    assert hall.failed() == "two_boot_files" and str(other) in hall.last("failed")["where"]
    other.write_text('phone = "1"')
    assert boot_file.read(boot_file.places()) == boot_file.Prepared(phone="1")


def test_the_example_is_a_boot_file(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "firmware/boot/diemcau.toml"
    assert boot_file.parse(example.read_bytes(), example) == boot_file.Prepared()
    lines = [
        line.removeprefix("#") if line[:1] == "#" and line[1:2] not in (" ", "") else line
        for line in example.read_text().splitlines()
    ]
    whole = boot_file.parse("\n".join(lines).encode(), example)
    assert whole.address and whole.roots and whole.voucher and whole.serial and whole.network is not None
    assert whole.network.ssid == "UBND xa"


def test_a_boot_file_that_cannot_be_read(
    tmp_path: Path, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "diemcau.toml").mkdir()
    monkeypatch.setenv(boot_file.PLACES, str(tmp_path / "diemcau.toml"))
    hall = Hall(patience=1)
    with pytest.raises(UnitGone):
        admit(folder, hall, [])
    assert hall.failed() == "boot_file_unreadable"


def test_a_full_disk_is_said_and_the_rest_waits(
    peer: Peer, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = enrol.write_atomically, iter((True, True))

    def write(path: Path, data: bytes, *, mode: int = 0o666) -> None:
        if next(full, False):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data, mode=mode)

    monkeypatch.setattr(enrol, "write_atomically", write)
    peer.approve_at = 0
    hall = Hall()
    assert admit(folder, hall, peer.address) is Verdict.CERTIFICATE
    assert hall.failed() == "disk" and bound(folder)


# ── certificates ──────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_is_renewed_with_a_third_of_its_life_left_and_long_after_its_end(
    peer: Peer, folder: StateFolder
) -> None:
    peer.approve_at = 0
    admit(folder, Hall(), peer.address)
    before = folder.unit_certificate.read_bytes()
    leaf = x509.load_pem_x509_certificates(before)[0]
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    early = leaf.not_valid_before_utc + life * 0.6
    assert renew.renew(folder, MARKS, anyway=False, now=early)["verdict"] == "not_due"
    for later in (leaf.not_valid_before_utc + life * 0.7, leaf.not_valid_after_utc + timedelta(days=365)):
        assert renew.renew(folder, MARKS, anyway=False, now=later)["verdict"] == "certificate"
    assert folder.unit_certificate.read_bytes() != before and bound(folder)
