"""The keys that vouch for releases: of people, in folders that leave the machine, and the one that stays.

A holder's folder has `root.key`, which says whose keys count, and `targets.key`, which signs releases; the
first may stay in the drawer while the second is used. `online.key` signs every day, that what was signed is
the newest. All are Ed25519 in PKCS#8 PEM, without a pass phrase: the folder is locked away.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner

from ..whole_file import write_secret
from .errors import ReleaseError

ROOT_KEY, TARGETS_KEY = "root.key", "targets.key"


def kept_or_new(path: Path) -> CryptoSigner:
    """The key of this file, made when there is none. Raises :class:`ReleaseError`, OSError."""
    if not path.exists():
        signer = CryptoSigner.generate_ed25519()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_secret(path, signer.private_bytes)
    return read_key(path)


def read_key(path: Path) -> CryptoSigner:
    """The key of this file. Raises :class:`ReleaseError`, OSError but for a file that is not there."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ReleaseError(
            f"{path} is not there: is the medium plugged in, and is that the folder "
            "`diemcau release keys` put the keys in?"
        ) from None
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ReleaseError(f"{path} is no key: take the copy of it from the other medium") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseError(f"{path} is a key of another kind: take one that `diemcau release keys` made")
    return CryptoSigner(key)


def key_id(signer: CryptoSigner) -> str:
    """What metadata calls the key."""
    return str(signer.public_key.keyid)
