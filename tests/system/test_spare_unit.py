"""A spare that lay in a cupboard for more than a year: its certificate ended, its meeting begins."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.authority import certificates as made
from diemcau_controller.demo.halls import MAIN

from tests.system.one_hall import PATIENCE_S, staged, talking, until

pytestmark = pytest.mark.namespace
TRAFFIC_LIMIT = 5_000_000  # what a hall on a mobile line may need to get there


def traffic() -> int:
    """Bytes that went through the loopback interface of this network so far; everything here does."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[0])
    raise AssertionError("no loopback interface")


def make_old(authority: Authority, certificate: Path) -> datetime:
    """Give the unit a certificate that ended long ago; gives when."""
    held = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    name = made.name_of(held.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    by = authority.intermediate()
    long_ago = datetime.now(UTC) - timedelta(days=3 * 365)
    key = held.public_key()
    leaf = made.leaf(name, key, made.CLIENT, by.certificate, by.key, long_ago)
    certificate.write_bytes(made.pem_of(leaf, *by.chain))
    return leaf.not_valid_after_utc


def test_it_attends_its_first_meeting_with_little_traffic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with staged(tmp_path, 1) as stage, talking(stage) as hall:
        identity = stage.unit_folder(MAIN) / "identity"
        contact = json.loads((identity / "coordinator.json").read_text())
        web_url = json.loads(hall.state.contact.read_text())["url"]
        (identity / "coordinator.json").write_text(json.dumps({**contact, "web_url": web_url}))
        ended = make_old(Authority(hall.state.authority), identity / "unit.crt")
        assert ended < datetime.now(UTC) - timedelta(days=300)
        stage.add_meeting("Giao ban tuần", 1, 600, opens_before_s=0)
        before, began = traffic(), time.monotonic()
        stage.start_units(time.monotonic() + PATIENCE_S)
        needed, took_s = traffic() - before, time.monotonic() - began
        until(lambda: hall.unit_status()["session"]["state"] == "in_meeting", 60, "it is not in the meeting")
        held = x509.load_pem_x509_certificates((identity / "unit.crt").read_bytes())[0]
    assert held.not_valid_after_utc > datetime.now(UTC) + timedelta(days=300), "it was renewed"
    with capsys.disabled():
        print(
            f"\na spare with an old certificate: configured after {took_s:.0f} s and {needed / 1000:.0f} kB"
        )
    assert needed < TRAFFIC_LIMIT
