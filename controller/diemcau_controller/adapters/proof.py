"""Proofs of a unit's keys: a signing request, and signatures by them (ECDSA, P-256, SHA-256; or Ed25519)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from .authority import certificates as made
from .authority.ssh import read_public_key


@dataclass(frozen=True, slots=True)
class UnitKey:
    """A unit's public key as PEM (SubjectPublicKeyInfo), and the id that follows from it."""

    unit: str
    pem: str


def read_key(pem: str) -> UnitKey:
    """The key of a signing request whose signature holds, or a bare public key. Raises ValueError."""
    key = made.read_public_key(pem)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return UnitKey(made.unit_id(key), key.public_bytes(serialization.Encoding.PEM, form).decode())


def spki_of(pem: str) -> bytes:
    """SubjectPublicKeyInfo, DER. Raises ValueError."""
    return made.spki(made.read_public_key(pem))


def verified(pem: str, signature: str, said: bytes) -> bool:
    """True if the holder of the key signed that."""
    try:
        made.read_public_key(pem).verify(
            base64.b64decode(signature, validate=True), said, ec.ECDSA(hashes.SHA256())
        )
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def verified_by_ssh(public_key: str, signature: str, said: bytes) -> bool:
    """True if the holder of this SSH key signed that. Raises ValueError for a line that is no public key."""
    key = read_public_key(public_key)
    try:
        given = base64.b64decode(signature, validate=True)
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(given, said)
        else:
            key.verify(given, said, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
