"""A unit hears of other roots within a day of their change, though its certificate is good for years."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from diemcau_agent.identity import boot_file, renew
from diemcau_agent.unit.state_folder import StateFolder, read_identity
from diemcau_controller.adapters.authority import roots
from diemcau_wire.enrolment import Verdict

from tests.system.blank_box import MARKS, Hall, admit
from tests.system.enrolment_peer import Peer

pytestmark = pytest.mark.namespace


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Peer]]:
    """Gives the office's server; called again, started again with the roots of now."""
    monkeypatch.setenv(boot_file.PLACES, "")
    made: list[Peer] = []

    def start() -> Peer:
        before = made[-1] if made else None
        if before is not None:
            before.close()
        made.append(Peer(tmp_path / "office"))
        if before is not None:
            made[-1].bound, made[-1].ended = before.bound, before.ended
        return made[-1]

    yield start
    made[-1].close()


def ask(folder: StateFolder, peer: Peer) -> object:
    """As twice a day; the office has another port each time it is started again."""
    path = folder.identity / "coordinator.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "web_url": peer.address}))
    return renew.renew(folder, MARKS, anyway=False)["verdict"]


def test_changed_roots_are_learned_and_one_change_may_be_slept_through(
    peers: Callable[[], Peer], tmp_path: Path
) -> None:
    peer = peers()
    awake, asleep = StateFolder(tmp_path / "awake"), StateFolder(tmp_path / "asleep")
    for folder in (awake, asleep):
        peer.approve_at = 0
        assert admit(folder, Hall(), peer.address) is Verdict.CERTIFICATE
    peer.bound = {read_identity(folder).unit: (folder.root.name, 1) for folder in (awake, asleep)}
    peer.ended = {}  # the peer admits both to the same site
    assert ask(awake, peer) == "not_due"

    roots.rotate(peer.authority)
    assert ask(awake, peer) == "certificate", "from a server that shows the former certificate still"
    peer = peers()
    assert ask(awake, peer) == "not_due"
    roots.forget_former(peer.authority)
    assert ask(awake, peer) == "certificate"
    assert awake.ca.read_bytes() == peer.authority.ca_pem()

    assert ask(asleep, peer) == "certificate", "it slept through one change"
    assert asleep.ca.read_bytes() == peer.authority.ca_pem()
    assert ask(asleep, peer) == "not_due"

    for _ in range(2):
        roots.rotate(peer.authority)
        roots.forget_former(peer.authority)
    peer = peers()
    before = asleep.ca.read_bytes()
    assert ask(asleep, peer) == "not_due", "through two: it believes nobody, and loses nothing"
    assert renew.renew(asleep, MARKS, anyway=True)["verdict"] == "unanswered"
    assert asleep.ca.read_bytes() == before and asleep.unit_key.exists()
