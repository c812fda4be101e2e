"""The local certificate authority: what it issues, to whom, and who believes it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from diemcau_controller.adapters.authority import Authority, AuthorityError, NotOurs, unit_id
from diemcau_controller.adapters.authority import certificates as made
from diemcau_controller.adapters.authority.roots import take_offline

from tests.unit.tls_pair import Refused, shake_hands

NAMES = (["localhost"], ["127.0.0.1"])


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> Authority:
    ca = Authority(tmp_path / "ca", clock)
    ca.ensure()
    return ca


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "u000000000000") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_ensure_keeps_what_is_there(authority: Authority) -> None:
    before = {path: path.read_bytes() for path in authority.folder.rglob("*") if path.is_file()}
    authority.ensure()
    Authority(authority.folder).ensure()
    assert {path: path.read_bytes() for path in authority.folder.rglob("*") if path.is_file()} == before


def test_private_keys_are_for_their_owner_only(authority: Authority, tmp_path: Path) -> None:
    authority.server_certificate(*NAMES)
    authority.client_files("controller")
    authority.statement_files()
    authority.new_unit_identity(tmp_path / "identity", "localhost", 8883)
    secret = [path for path in tmp_path.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert (
        len(secret) == 10
    )  # two roots, the online authority, server, client, statements, a unit, three of SSH
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def test_two_roots_are_trusted_and_the_active_one_signs_the_online_authority(authority: Authority) -> None:
    trust, online = authority.trust(), authority.intermediate().certificate
    assert trust.former == ()
    assert made.signed(online, trust.active) and not made.signed(online, trust.asleep)
    assert online.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert [pem.encode() for pem in authority.roots()] == [
        made.pem_of(trust.active),
        made.pem_of(trust.asleep),
    ]


def test_server_files_are_leaf_and_online_authority(authority: Authority) -> None:
    _, path = authority.server_certificate(*NAMES)
    leaf, online = made.read_chain(path.read_bytes())
    assert made.signed(leaf, online) and online == authority.intermediate().certificate
    now = datetime.now(UTC)
    assert leaf.not_valid_before_utc < now - timedelta(hours=23)  # a hall's clock may be behind


def test_server_certificate_is_issued_again_only_when_names_change(authority: Authority) -> None:
    first = authority.server_certificate(*NAMES)[1].read_bytes()
    assert authority.server_certificate(*NAMES)[1].read_bytes() == first
    assert authority.server_certificate(["localhost"], ["198.51.100.1"])[1].read_bytes() != first


def test_a_third_before_its_end_a_certificate_is_renewed(authority: Authority, clock: Clock) -> None:
    first = authority.server_certificate(*NAMES)[1].read_bytes()
    clock.at += timedelta(days=480)
    assert authority.server_certificate(*NAMES)[1].read_bytes() == first
    clock.at += timedelta(days=10)
    assert authority.server_certificate(*NAMES)[1].read_bytes() != first


@pytest.mark.parametrize("broken", ["server.crt", "server.key"])
def test_a_broken_or_foreign_half_of_a_pair_is_replaced(
    authority: Authority, tmp_path: Path, broken: str
) -> None:
    key, certificate = authority.server_certificate(*NAMES)
    other = Authority(tmp_path / "other").server_certificate(*NAMES)[0].parent / broken
    for content in (b"garbage", other.read_bytes()):
        (authority.folder / broken).write_bytes(content)
        authority.server_certificate(*NAMES)
        leaf = made.read_chain(certificate.read_bytes())[0]
        assert made.same_key(leaf, made.read_key(key.read_bytes()).public_key())


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


def test_a_unit_is_named_by_its_key_and_not_by_what_it_asks_for(authority: Authority) -> None:
    key = made.new_key()
    issued = authority.sign_unit(request(key, "u0123456789ab"), site="ea-kiet", epoch=7)
    assert issued.unit == unit_id(key.public_key()) != "u0123456789ab"
    assert (issued.site, issued.epoch) == ("ea-kiet", 7)
    assert authority.recognise(issued.pem_chain) == issued
    life = issued.not_after - issued.issued_at
    assert life == timedelta(days=730)


def test_what_is_no_request_of_a_p256_key_is_refused(authority: Authority) -> None:
    key, other = made.new_key(), made.new_key()
    for wrong in (
        "",
        "garbage",
        request(rsa.generate_private_key(65537, 2048)),
        made.pem_of(authority.trust().active).decode(),
        made.key_pem(key).decode(),
    ):
        with pytest.raises(ValueError):
            authority.sign_unit(wrong)
    honest = x509.load_pem_x509_csr(request(key).encode()).public_bytes(serialization.Encoding.DER)
    swapped = honest.replace(made.spki(key.public_key()), made.spki(other.public_key()))
    stolen = x509.load_der_x509_csr(swapped).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(ValueError, match="not signed by the key"):
        authority.sign_unit(stolen)


def test_only_units_of_this_installation_are_recognised(
    authority: Authority, tmp_path: Path, clock: Clock
) -> None:
    key = made.new_key()
    ours = authority.sign_unit(request(key))
    other = Authority(tmp_path / "other")
    for foreign in (
        other.sign_unit(request(key)).pem_chain,
        authority.server_certificate(*NAMES)[1].read_text(),
        authority.client_files("controller")[1].read_text(),
        authority.statement_files()[1].read_text(),
        ours.pem_chain.partition("-----END CERTIFICATE-----\n")[2],  # the online authority alone
        "garbage",
        "",
    ):
        with pytest.raises(NotOurs):
            authority.recognise(foreign)
    clock.at += timedelta(days=3650)
    assert authority.recognise(ours.pem_chain) == ours  # expired, and still ours


def test_no_certificate_outlives_who_signed_it(authority: Authority, clock: Clock) -> None:
    clock.at += timedelta(days=3650 - 100)
    issued = authority.sign_unit(request(made.new_key()))
    assert issued.not_after == authority.intermediate().certificate.not_valid_after_utc


def test_no_roots_are_made_by_a_clock_that_cannot_be_right(tmp_path: Path, clock: Clock) -> None:
    clock.at = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    with pytest.raises(AuthorityError, match=r"1970-01-01.*set it"):
        Authority(tmp_path / "ca", clock).ensure()
    assert not (tmp_path / "ca/ca.crt").exists()


def test_nothing_is_issued_by_a_clock_from_before_the_authority(authority: Authority, clock: Clock) -> None:
    clock.at = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    with pytest.raises(AuthorityError, match="1970-01-01"):
        authority.sign_unit(request(made.new_key()))
    authority.ensure()  # what was issued before still does


@pytest.mark.parametrize("name", ["ca.crt", "intermediate.pem"])
def test_what_is_damaged_is_never_made_anew(authority: Authority, name: str) -> None:
    (authority.folder / name).write_bytes(b"garbage")
    with pytest.raises(AuthorityError, match="damaged"):
        Authority(authority.folder).sign_unit(request(made.new_key()))
    assert (authority.folder / name).read_bytes() == b"garbage"


def test_roots_that_were_lost_are_not_made_anew(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "drawer").mkdir()
    take_offline(authority, tmp_path / "drawer")
    ours = authority.ca_pem()
    authority.ca_path.unlink()
    with pytest.raises(AuthorityError, match=r"roots\.crt"):
        authority.ensure()
    assert not authority.ca_path.exists()
    authority.ca_path.write_bytes((tmp_path / "drawer/roots.crt").read_bytes())
    authority.ensure()
    assert authority.ca_pem() == ours


def test_python_ssl_accepts_both_sides_and_refuses_a_stranger(authority: Authority, tmp_path: Path) -> None:
    server = authority.server_certificate(*NAMES)
    ours = authority.client_files("controller")
    assert shake_hands(server, authority.ca_path, ours, authority.ca_path) == "controller"
    stranger = Authority(tmp_path / "other")
    with pytest.raises(Refused):
        shake_hands(server, authority.ca_path, stranger.client_files("controller"), authority.ca_path)
    with pytest.raises(Refused):
        shake_hands(server, authority.ca_path, ours, stranger.ca_path)
    with pytest.raises(Refused):  # a server's certificate is none of a client, nor the reverse
        shake_hands(server, authority.ca_path, server, authority.ca_path)
    with pytest.raises(Refused):
        shake_hands(ours, authority.ca_path, ours, authority.ca_path)
