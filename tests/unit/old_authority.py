"""A certificate authority as it was before there were two roots: one, that signs everything directly."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from diemcau_controller.adapters.authority import certificates as made


def old_authority(folder: Path) -> None:
    """Write `ca.key`, `ca.crt`, and the files of the client `controller` and the server `services`."""
    folder.mkdir(parents=True)
    key, name, now = made.new_key(), made.name_of("Điểm Cầu CA"), datetime.now(UTC)
    root = (
        _begun(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.key").write_bytes(made.key_pem(key))
    (folder / "ca.crt").write_bytes(made.pem_of(root))
    for files, use in (
        ("controller", ExtendedKeyUsageOID.CLIENT_AUTH),
        ("services", ExtendedKeyUsageOID.SERVER_AUTH),
    ):
        own = made.new_key()
        leaf = made.leaf(made.name_of(files), own.public_key(), use, root, key, now, _ADDRESS)
        (folder / f"{files}.key").write_bytes(made.key_pem(own))
        (folder / f"{files}.crt").write_bytes(made.pem_of(leaf))


def old_unit(folder: Path, identity: Path) -> tuple[Path, Path]:
    """A unit as that authority made them; gives key and certificate, beside them its `ca.crt`."""
    identity.mkdir(parents=True)
    own, issuer = made.new_key(), made.read_chain((folder / "ca.crt").read_bytes())[-1]
    by = made.read_key((folder / "ca.key").read_bytes())
    subject = made.name_of(made.unit_id(own.public_key()))
    leaf = made.leaf(subject, own.public_key(), made.CLIENT, issuer, by, datetime.now(UTC))
    (identity / "unit.key").write_bytes(made.key_pem(own))
    (identity / "unit.crt").write_bytes(made.pem_of(leaf))
    (identity / "ca.crt").write_bytes(made.pem_of(issuer))
    return identity / "unit.key", identity / "unit.crt"


_ADDRESS = [x509.DNSName("localhost")]


def _begun(
    subject: x509.Name, issuer: x509.Name, public_key: made.PublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=7300))
    )
