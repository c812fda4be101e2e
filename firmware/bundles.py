"""Systems as signed bundles (RAUC) for the other slot of a unit, and the key that vouches for them."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from diemcau_controller.adapters.releases.systems import CERTIFICATE

from .trouble import CannotBuild, run

KEY = "system.key"
LASTS = timedelta(days=20 * 365)


def make_key(folder: Path, now: datetime | None = None) -> Path:
    """A key for bundles with its certificate, in a folder that leaves the server; gives the certificate.
    Raises :class:`CannotBuild` where there is one."""
    key_file, certificate_file = folder / KEY, folder / CERTIFICATE
    if key_file.exists():
        raise CannotBuild(f"there is a key in {folder}: units that trust it would not trust another")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, now = ec.generate_private_key(ec.SECP256R1()), now or datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Điểm Cầu systems")])
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(private)
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_file


def manifest(version: str, arch: str) -> str:
    """What a bundle says of itself."""
    return (
        f"[update]\ncompatible=diemcau-{arch}\nversion={version}\n\n[bundle]\nformat=verity\n\n"
        "[image.rootfs]\nfilename=root.img\n"
    )


def bundle(root: Path, version: str, arch: str, keys: Path, out: Path) -> Path:
    """Sign the root of an image (`.squashfs`) as a bundle; gives its file. Raises :class:`CannotBuild`."""
    if not root.exists():
        raise CannotBuild(f"there is no {root}: build that image first")
    scratch = out.with_suffix(".parts")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        (scratch / "root.img").hardlink_to(root)
        (scratch / "manifest.raucm").write_text(manifest(version, arch))
        out.unlink(missing_ok=True)
        pair = [f"--cert={keys / CERTIFICATE}", f"--key={keys / KEY}", f"--keyring={keys / CERTIFICATE}"]
        run(["rauc", "bundle", *pair, scratch, out])
    finally:
        shutil.rmtree(scratch)
    return out
