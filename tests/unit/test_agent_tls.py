"""Whom a unit accepts as its coordinator, by how much it trusts its own clock."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from diemcau_agent.unit.state_folder import StateFolder, read_identity
from diemcau_agent.unit.tls import towards_coordinator
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.authority import certificates as made

HOST = "192.0.2.1"
ENDED = made.LEAF_LIFE + timedelta(days=400)


def issue(authority: Authority, at: datetime) -> None:
    """A server's certificate, issued then, as the files of a server that nobody started again since."""
    key, by = made.new_key(), authority.intermediate()
    names = [x509.IPAddress(ipaddress.ip_address(HOST))]
    leaf = made.leaf(made.name_of(HOST), key.public_key(), made.SERVER, by.certificate, by.key, at, names)
    (authority.folder / "server.key").write_bytes(made.key_pem(key))
    (authority.folder / "server.crt").write_bytes(made.pem_of(leaf, *by.chain))


def shake_hands(client: ssl.SSLContext, authority: Authority) -> None:
    """In memory. Raises ssl.SSLError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca_path))
    context.load_cert_chain(authority.folder / "server.crt", authority.folder / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=HOST)
    there = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (here, there):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert here.version() is not None and there.getpeercert() is not None


def test_a_server_that_ended_400_days_ago(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    authority.ensure()
    folder = StateFolder(tmp_path / "unit")
    authority.new_unit_identity(folder.identity, HOST, 1)
    identity = read_identity(folder)
    issue(authority, datetime.now(UTC) - ENDED)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake_hands(towards_coordinator(identity, clock_trusted=True), authority)
    shake_hands(towards_coordinator(identity, clock_trusted=False), authority)

    authority.server_certificate([], [HOST])  # as at each start, and long before the end
    shake_hands(towards_coordinator(identity, clock_trusted=True), authority)


def test_a_foreign_server_is_refused_whatever_the_clock(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    folder = StateFolder(tmp_path / "unit")
    for authority in (ours, other):
        authority.ensure()
        authority.server_certificate([], [HOST])
    ours.new_unit_identity(folder.identity, HOST, 1)
    for trusted in (True, False):
        with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
            shake_hands(towards_coordinator(read_identity(folder), clock_trusted=trusted), other)
