"""The keys that vouch for releases: of people, in folders that leave the machine, and the one that stays.

A holder's folder has `root.key`, which says whose keys count, and `targets.key`, which signs releases; the
first may stay in the drawer while the second is used. `online.key` signs every day, that what was signed is
the newest. All are Ed25519 in PKCS#8 PEM; holders' keys may be locked with a pass phrase (age).
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner

from .. import age
from ..whole_file import write_secret
from .errors import ReleaseError

ROOT_KEY, TARGETS_KEY = "root.key", "targets.key"


class Phrases(Protocol):
    """Who is asked for the pass phrase of a holder's folder: of keys that are locked, or for new ones, which
    None leaves unlocked."""

    def known(self, folder: Path) -> str | None: ...

    def new(self, folder: Path) -> str | None: ...


class NoPhrases:
    """Nobody is asked: new keys are left unlocked, and locked ones refused."""

    def known(self, folder: Path) -> str | None:
        return None

    def new(self, folder: Path) -> str | None:
        return None


NOBODY = NoPhrases()


def kept_or_new(path: Path, phrases: Phrases = NOBODY) -> CryptoSigner:
    """The key of this file, made when there is none. Raises :class:`ReleaseError`, OSError."""
    if path.exists():
        return read_key(path, phrases)
    signer = CryptoSigner.generate_ed25519()
    phrase = phrases.new(path.parent)
    path.parent.mkdir(exist_ok=True)
    write_secret(path, signer.private_bytes if phrase is None else age.lock(signer.private_bytes, phrase))
    return signer


def read_key(path: Path, phrases: Phrases = NOBODY) -> CryptoSigner:
    """The key of this file. Raises :class:`ReleaseError`, OSError but for a file that is not there."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ReleaseError(
            f"{path} is not there: is the medium plugged in, and is that the folder "
            "`diemcau release keys` put the keys in?"
        ) from None
    try:
        key = load_pem_private_key(_opened(path, data, phrases), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ReleaseError(f"{path} is no key: take the copy of it from the other medium") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseError(f"{path} is a key of another kind: take one that `diemcau release keys` made")
    return CryptoSigner(key)


def _opened(path: Path, data: bytes, phrases: Phrases) -> bytes:
    if not age.is_age(data):
        return data
    phrase = phrases.known(path.parent)
    if phrase is None:
        raise ReleaseError(f"{path} is locked: give its pass phrase")
    try:
        return age.unlock(data, phrase)
    except age.DecryptFailed as error:
        if not error.wrong_key:
            raise ValueError("damaged") from None
        raise ReleaseError(
            f"{path} is locked with another pass phrase: give that one (capitals, blanks and accents count)"
        ) from None


def key_id(signer: CryptoSigner) -> str:
    """What metadata calls the key."""
    return str(signer.public_key.keyid)
