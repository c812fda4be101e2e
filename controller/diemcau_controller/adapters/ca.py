"""The local certificate authority: it vouches for the broker, Janus, the web page and every unit.

All keys are P-256. Private keys are files of mode 0600. Certificates begin a day in the past, because a
hall's clock may be behind. Today the controller makes a unit's key for it (`new_unit_identity`); enrolment,
where the unit makes its own key and sends a request, takes that method's place and nothing else's.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE = timedelta(days=20 * 365)
SERVER_LIFE = timedelta(days=2 * 365)
CLIENT_LIFE = timedelta(days=5 * 365)
RENEW_BEFORE = timedelta(days=60)
_BACKDATE = timedelta(days=1)


class Authority:
    """A certificate authority kept in `folder`: `ca.key` and `ca.crt`, and what it issued to servers here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key_path = folder / "ca.key"
        self._certificate_path = folder / "ca.crt"

    @property
    def ca_path(self) -> Path:
        """Where the CA's own certificate lies, as PEM."""
        return self._certificate_path

    def ensure(self) -> None:
        """Make the authority if there is none yet. Raises OSError when the folder cannot be written."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked():
            if self._certificate_path.exists():
                return
            key = ec.generate_private_key(ec.SECP256R1())
            name = _name("Điểm Cầu CA")
            certificate = (
                _builder(name, name, key.public_key(), CA_LIFE)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_usage(signs_certificates=True), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .sign(key, hashes.SHA256())
            )
            write_secret(self._key_path, _key_pem(key))
            _write(self._certificate_path, _certificate_pem(certificate))

    def ca_pem(self) -> bytes:
        """The CA's own certificate as PEM."""
        return self._certificate_path.read_bytes()

    def server_certificate(
        self, names: list[str], addresses: list[str], *, files: str = "server"
    ) -> tuple[Path, Path]:
        """Key and certificate for a server reached by these DNS names and IP addresses.

        The same `files` (.key and .crt) are given again until the names change or the certificate nears its
        end. Raises ValueError for something that is not an IP address.
        """
        wanted = {x509.DNSName(name) for name in names} | {
            x509.IPAddress(ipaddress.ip_address(address)) for address in addresses
        }
        key_path, certificate_path = self.folder / f"{files}.key", self.folder / f"{files}.crt"
        self.ensure()
        with self._locked():
            if key_path.exists() and certificate_path.exists() and _still_good(certificate_path, wanted):
                return key_path, certificate_path
            key = ec.generate_private_key(ec.SECP256R1())
            common = (names or addresses or ["diemcau"])[0][:64]
            certificate = (
                self._leaf(common, key.public_key(), SERVER_LIFE, ExtendedKeyUsageOID.SERVER_AUTH)
                .add_extension(x509.SubjectAlternativeName(sorted(wanted, key=repr)), critical=False)
                .sign(self._key(), hashes.SHA256())
            )
            write_secret(key_path, _key_pem(key))
            _write(certificate_path, _certificate_pem(certificate))
        return key_path, certificate_path

    def client_certificate(self, cn: str) -> tuple[bytes, bytes]:
        """A fresh key and a client certificate for `cn`, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _key_pem(key), self._sign_client(cn, key.public_key())

    def client_files(self, cn: str) -> tuple[Path, Path]:
        """Key and client certificate of `cn` as files in the folder; issued once, renewed near their end."""
        key_path, certificate_path = self.folder / f"{cn}.key", self.folder / f"{cn}.crt"
        with self._locked():
            if not (key_path.exists() and certificate_path.exists() and _still_good(certificate_path, None)):
                key, certificate = self.client_certificate(cn)
                write_secret(key_path, key)
                _write(certificate_path, certificate)
        return key_path, certificate_path

    def new_unit_identity(self, folder: Path, mqtt_host: str, mqtt_port: int) -> str:
        """Make a unit: its key, its certificate, what it needs to find us. Gives the unit's id.

        The id is `u` and the first 12 hex digits of the SHA-256 of the public key (SPKI, DER), so nobody
        can choose it. Refuses (FileExistsError) a folder in which there already is a unit.
        """
        if (folder / "unit.key").exists():
            raise FileExistsError(f"{folder} already holds the identity of a unit")
        key = ec.generate_private_key(ec.SECP256R1())
        unit = unit_id(key.public_key())
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        coordinator = {"unit": unit, "mqtt_host": mqtt_host, "mqtt_port": mqtt_port}
        _write(folder / "ca.crt", self.ca_pem())
        _write(folder / "unit.crt", self._sign_client(unit, key.public_key()))
        _write(folder / "coordinator.json", json.dumps(coordinator, indent=2).encode() + b"\n")
        write_secret(folder / "unit.key", _key_pem(key))
        return unit

    def _sign_client(self, cn: str, public_key: ec.EllipticCurvePublicKey) -> bytes:
        builder = self._leaf(cn, public_key, CLIENT_LIFE, ExtendedKeyUsageOID.CLIENT_AUTH)
        return _certificate_pem(builder.sign(self._key(), hashes.SHA256()))

    def _leaf(
        self, cn: str, public_key: ec.EllipticCurvePublicKey, life: timedelta, use: x509.ObjectIdentifier
    ) -> x509.CertificateBuilder:
        issuer = x509.load_pem_x509_certificate(self.ca_pem())
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key().public_key())
        return (
            _builder(_name(cn), issuer.subject, public_key, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(authority, critical=False)
        )

    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self._key_path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{self._key_path} is not an elliptic-curve key")
        return key

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time: the launcher, the controller and the command line share this folder."""
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def unit_id(public_key: ec.EllipticCurvePublicKey) -> str:
    """The id of the unit that holds the key to `public_key`."""
    spki = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "u" + hashlib.sha256(spki).hexdigest()[:12]


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    _write(path, data, mode=0o600)


def _write(path: Path, data: bytes, mode: int = 0o644) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _still_good(path: Path, wanted: set[x509.DNSName | x509.IPAddress] | None) -> bool:
    """True if the certificate at `path` is for exactly `wanted` (None: whatever) and not near its end."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        return False
    if certificate.not_valid_after_utc - datetime.now(UTC) < RENEW_BEFORE:
        return False
    if wanted is None:
        return True
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names) == wanted


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
