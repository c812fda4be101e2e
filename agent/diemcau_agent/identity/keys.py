"""The unit's own keys: one it proves itself with, one its SSH server shows.

Made once, here, and never sent anywhere. Both are files that only the unit's user may read. A chip that would
keep the first one (TPM 2.0) is not used, not even where there is one (docs/decisions/0015): whoever takes the
card has the key until somebody revokes the unit, which ends what it is worth within seconds.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from diemcau_wire.enrolment import unit_id_of

from diemcau_agent.unit.state_folder import StateFolder, write_atomically

_CURVE = "secp256r1"
_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class Keys:
    """What this box proves itself with."""

    private: ec.EllipticCurvePrivateKey
    ssh: ed25519.Ed25519PrivateKey | None

    @property
    def spki(self) -> bytes:
        """The public key, SubjectPublicKeyInfo in DER."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def public_pem(self) -> str:
        """The same in PEM."""
        return (
            self.private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    @property
    def unit(self) -> str:
        """The id that follows from the key."""
        return unit_id_of(self.spki)

    @property
    def ssh_public(self) -> str | None:
        """The line of the SSH host key; None where it was not read."""
        if self.ssh is None:
            return None
        form = serialization.PublicFormat.OpenSSH
        return self.ssh.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()

    def ssh_sign(self, data: bytes) -> str | None:
        """Signed by the SSH host key, in base64; None where it was not read."""
        return None if self.ssh is None else base64.b64encode(self.ssh.sign(data)).decode()

    def sign(self, data: bytes) -> str:
        """ECDSA over SHA-256, DER, in base64."""
        return base64.b64encode(self.private.sign(data, ec.ECDSA(hashes.SHA256()))).decode()

    def request(self) -> str:
        """A signing request (PKCS#10): proof that we hold the key."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.unit)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        signed = builder.sign(self.private, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


def ensure(folder: StateFolder) -> Keys:
    """This box's keys, made when there are none. Raises OSError when they cannot be stored.

    Files that hold no key are set aside: nobody could ever prove anything with them.
    """
    private = _stored(folder.unit_key, _unit_key)
    if private is None:
        private = ec.generate_private_key(ec.SECP256R1())
        write_atomically(folder.unit_key, _pem(private, serialization.PrivateFormat.PKCS8), mode=0o600)
    ssh = _stored(folder.ssh_key, _ssh_key)
    if ssh is None:
        ssh = ed25519.Ed25519PrivateKey.generate()
        write_atomically(folder.ssh_key, _pem(ssh, serialization.PrivateFormat.OpenSSH), mode=0o600)
    return Keys(private, ssh)


def read(folder: StateFolder) -> Keys | None:
    """This box's keys as far as they are there; None without one to prove oneself with."""
    private = _stored(folder.unit_key, _unit_key)
    return None if private is None else Keys(private, None)


def _unit_key(content: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(content, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != _CURVE:
        raise ValueError("not a P-256 key")
    return key


def _ssh_key(content: bytes) -> ed25519.Ed25519PrivateKey:
    key = serialization.load_ssh_private_key(content, password=None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key


def _stored(path: Path, parse: Callable[[bytes], _K]) -> _K | None:
    """The key in a file; None without one, and for what is none, which is set aside."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        path.replace(path.with_name(path.name + ".corrupt"))
        return None


def _pem(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, form: serialization.PrivateFormat
) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
