"""An identity survives power cuts at every point, and goes only at the controller's signed word.

Against a small honest coordinator (`enrolment_peer.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from diemcau_agent.identity import renew
from diemcau_agent.identity.talk import UnitGone
from diemcau_agent.unit.state_folder import StateFolder, read_identity
from diemcau_agent.unit.wipe import farewell, forget, wipe
from diemcau_controller.adapters.authority import Authority, statements
from diemcau_wire.enrolment import Verdict

from tests.system.blank_box import MARKS, Cuts, Hall, PowerCut, admit, bound, unit_of
from tests.system.enrolment_peer import Peer

pytestmark = [pytest.mark.namespace, pytest.mark.usefixtures("no_boot_file")]


# ── power cuts ───────────────────────────────────────────────────────────────────────────────────


def test_a_power_cut_at_any_point_leads_to_a_unit_or_back_to_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cuts = Cuts(monkeypatch)
    peer = Peer(tmp_path / "office", approve_at=1)
    try:
        cuts.at, cuts.count = None, 0
        assert admit(StateFolder(tmp_path / "whole"), Hall(), peer.address) is Verdict.CERTIFICATE
        points, names = cuts.count, list(cuts.names)
        for point in range(1, points + 1):
            folder = StateFolder(tmp_path / f"cut-{point}")
            peer.approve_at = 1
            cuts.at, cuts.count = point, 0
            with pytest.raises(PowerCut):
                admit(folder, Hall(), peer.address)
            bound(folder)  # a unit or none, never half
            if not (folder.coordinator.exists() and bound(folder)):
                cuts.at = None
                peer.approve_at = peer.approve_at if peer.approve_at is not None else None
                assert admit(folder, Hall(), peer.address) is Verdict.CERTIFICATE, names[point - 1]
            assert bound(folder)
            unit = read_identity(folder).unit
            assert unit in peer.bound
            assert not list(folder.identity.glob("*.corrupt"))
    finally:
        peer.close()
    with capsys.disabled():
        print(f"\npower cuts while a box is admitted: {points} points, all led to a unit")
    assert points >= 40, names


def test_the_digits_stay_the_same_over_a_power_cut(peer: Peer, folder: StateFolder) -> None:
    first, second = Hall(patience=2), Hall(patience=2)
    for hall in (first, second):
        with pytest.raises(UnitGone):
            admit(folder, hall, peer.address)
    assert first.last("code")["code"] == second.last("code")["code"] and len(peer.requests) == 1


def test_a_renewal_cut_at_any_point_leaves_a_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer(tmp_path / "office", approve_at=0)
    folder = StateFolder(tmp_path / "state")
    try:
        admit(folder, Hall(), peer.address)
        cuts = Cuts(monkeypatch)
        renew.renew(folder, MARKS, anyway=True)
        points = cuts.count
        for point in range(1, points + 1):
            cuts.at, cuts.count = point, 0
            with pytest.raises(PowerCut):
                renew.renew(folder, MARKS, anyway=True)
            cuts.at = None
            assert bound(folder)
            assert renew.renew(folder, MARKS, anyway=True)["verdict"] == "certificate"
    finally:
        peer.close()
    with capsys.disabled():
        print(f"\npower cuts while a certificate is renewed: {points} points, a unit after each")
    assert points >= 8


def test_a_wipe_cut_at_any_point_is_finished_later(
    peer: Peer, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = unit_of(peer, folder)
    peer.ended[unit] = "replaced"
    renew.renew(folder, MARKS, anyway=True)
    cuts = Cuts(monkeypatch)
    for point in range(2, 60):
        cuts.at, cuts.count = point, 0
        try:
            assert wipe(folder)
        except PowerCut:
            assert farewell(folder) is not None
            continue
        break
    assert not folder.unit_key.exists() and not folder.outbox.exists()


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verdict", ["replaced", "revoked"])
def test_a_unit_that_was_sent_away_keeps_nothing_secret(
    peer: Peer, folder: StateFolder, verdict: str
) -> None:
    unit = unit_of(peer, folder)
    peer.ended[unit] = verdict
    assert renew.renew(folder, MARKS, anyway=True)["verdict"] == verdict
    assert wipe(folder)
    left = {str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if path.is_file()}
    assert left == {"identity/farewell.json", "identity/ca.crt"}
    said = farewell(folder)
    assert said is not None and (said["verdict"], said["unit"]) == (verdict, unit)
    forget(folder)
    assert farewell(folder) is None and not any(path.is_file() for path in folder.root.rglob("*"))
    peer.approve_at = 0
    admit(folder, Hall(), peer.address)
    assert read_identity(folder).unit != unit, "it is another unit now"


@pytest.mark.parametrize(
    "forge",
    [
        "other_authority",
        "other_nonce",
        "old_answer",
        "other_unit",
        "changed_body",
        "server_certificate",
        "no_chain",
    ],
)
def test_only_a_signed_answer_to_our_own_question_counts(
    tmp_path: Path, peer: Peer, folder: StateFolder, forge: str
) -> None:
    unit = unit_of(peer, folder)
    peer.ended[unit] = "replaced"
    before = {path: path.read_bytes() for path in folder.identity.iterdir()}
    match forge:
        case "other_authority":
            other = Authority(tmp_path / "other")
            other.ensure()
            peer.change_statement = lambda said: statements.sign(other, json.loads(said["body"]))
        case "other_nonce":
            peer.change_answer = lambda body: {**body, "nonce": "0" * 64}
        case "old_answer":
            peer.change_answer = lambda body: {**body, "unit_nonce": "0" * 32}
        case "other_unit":
            peer.change_answer = lambda body: {**body, "unit": "u000000000000"}
        case "changed_body":
            peer.change_statement = lambda said: {**said, "body": said["body"].replace("replaced", "revoked")}
        case "server_certificate":
            _, chain = peer.authority.server_certificate([], ["127.0.0.1"])
            pems = [
                part + "-----END CERTIFICATE-----\n"
                for part in chain.read_text().split("-----END CERTIFICATE-----\n")[:-1]
            ]
            peer.change_statement = lambda said: {**said, "chain": pems}
        case "no_chain":
            peer.change_statement = lambda said: {**said, "chain": said["chain"][:1]}
    assert renew.renew(folder, MARKS, anyway=True)["verdict"] == "foreign"
    assert {path: path.read_bytes() for path in folder.identity.iterdir()} == before


def test_what_fails_on_the_way_wipes_nothing(peer: Peer, folder: StateFolder) -> None:
    unit_of(peer, folder)
    for answer in ((0, None), (500, b""), (403, {"detail": "no"}), (200, b"{}")):
        peer.difficult = lambda method, path, answer=answer: answer
        assert renew.renew(folder, MARKS, anyway=True)["verdict"] == "unanswered"
        assert bound(folder)
    peer.difficult = lambda method, path: None
    peer.bound.clear()
    assert renew.renew(folder, MARKS, anyway=True)["verdict"] == "unknown" and bound(folder)


def test_a_box_whose_address_was_lost_finds_its_way_back(peer: Peer, folder: StateFolder) -> None:
    unit = unit_of(peer, folder)
    folder.coordinator.write_bytes(b"\x00" * 200)
    assert not bound(folder)
    assert admit(folder, Hall(), peer.address) is Verdict.CERTIFICATE
    assert read_identity(folder).unit == unit and len(peer.requests) == 1, "nobody had to approve it again"
