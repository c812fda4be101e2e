"""The local certificate authority."""

import json
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from diemcau_controller.adapters.authority import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "ca")
    made.ensure()
    return made


def test_ensure_keeps_what_is_there(authority: Authority) -> None:
    before = authority.ca_pem()
    authority.ensure()
    Authority(authority.folder).ensure()
    assert authority.ca_pem() == before


def test_private_keys_are_for_their_owner_only(authority: Authority, tmp_path: Path) -> None:
    authority.server_certificate(["localhost"], ["127.0.0.1"])
    authority.client_files("controller")
    authority.new_unit_identity(tmp_path / "identity", "localhost", 8883)
    keys = list(tmp_path.rglob("*.key"))
    assert len(keys) == 5  # two of roots, of a server, a client and a unit
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_server_certificate_is_issued_again_only_when_names_change(authority: Authority) -> None:
    first = authority.server_certificate(["localhost"], ["127.0.0.1"])[1].read_bytes()
    assert authority.server_certificate(["localhost"], ["127.0.0.1"])[1].read_bytes() == first
    assert authority.server_certificate(["localhost"], ["198.51.100.1"])[1].read_bytes() != first


def test_a_broken_server_certificate_is_replaced(authority: Authority) -> None:
    path = authority.server_certificate(["localhost"], [])[1]
    path.write_text("garbage")
    assert authority.server_certificate(["localhost"], [])[1].read_bytes().startswith(b"-----BEGIN")


def test_unit_identity(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "identity"
    unit = authority.new_unit_identity(folder, "198.51.100.1", 8883)
    certificate = x509.load_pem_x509_certificate((folder / "unit.crt").read_bytes())
    assert certificate.subject.rfc4514_string() == f"CN={unit}"
    assert len(unit) == 13 and unit[0] == "u" and int(unit[1:], 16) >= 0
    assert json.loads((folder / "coordinator.json").read_text()) == {
        "unit": unit,
        "mqtt_host": "198.51.100.1",
        "mqtt_port": 8883,
    }
    with pytest.raises(FileExistsError):
        authority.new_unit_identity(folder, "198.51.100.1", 8883)


def test_python_ssl_accepts_both_sides_and_refuses_a_stranger(authority: Authority, tmp_path: Path) -> None:
    key, certificate = authority.server_certificate(["localhost"], ["127.0.0.1"])
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca_path))
    server.load_cert_chain(certificate, key)
    server.verify_mode = ssl.CERT_REQUIRED
    assert _peer_of(server, authority, authority) == "controller"
    stranger = Authority(tmp_path / "other")
    stranger.ensure()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _peer_of(server, authority, stranger)


def _peer_of(server: ssl.SSLContext, trusts: Authority, holds: Authority) -> str:
    """Shake hands with `server`; gives the CN it saw."""
    client = ssl.create_default_context(cafile=str(trusts.ca_path))
    key, certificate = holds.client_files("controller")
    client.load_cert_chain(certificate, key)
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def serve() -> None:
            peer, _ = listener.accept()
            try:
                with server.wrap_socket(peer, server_side=True) as tls:
                    subject = (tls.getpeercert() or {})["subject"]
                    seen.append(dict(pair[0] for pair in subject)["commonName"])  # type: ignore[misc]
                    tls.sendall(b"x")
            except OSError:
                peer.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=5) as raw,
                client.wrap_socket(raw, server_hostname="127.0.0.1") as tls,
            ):
                if tls.recv(1) != b"x":
                    raise ConnectionError("hung up on")
        finally:
            thread.join(5)
    return seen[0]
