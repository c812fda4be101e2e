"""Encryption with age (age-encryption.org): for whom a backup is, and the key that opens it; and of a small
file by a pass phrase.

Files made here are opened by the program `age`, too, and the other way round.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import pyrage

_MOST_KEY_BYTES = 64 * 1024
_MAGIC = b"age-encryption.org/v1\n"


class KeyUnusable(ValueError):
    """A recipient or a key that is none; the text says what to do."""


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Writable(Protocol):
    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


class DecryptFailed(ValueError):
    """`wrong_key`: the file is for somebody else's key; otherwise it is damaged, cut off, or no age file."""

    def __init__(self, wrong_key: bool) -> None:
        super().__init__("wrong key" if wrong_key else "damaged")
        self.wrong_key = wrong_key


def recipient(text: str) -> str:
    """The public half of a key, `age1…`, if it is one. Raises :class:`KeyUnusable`."""
    try:
        pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError:
        raise KeyUnusable(
            f"{text[:80]!r} is not the public half of an age key: `diemcau backup key FILE` prints one"
        ) from None
    return text.strip()


def new_key(path: Path) -> str:
    """Make a key as a file only its owner may read, as `age-keygen` does, and give its public half.

    Raises FileExistsError: a key is never overwritten.
    """
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"# public key: {public}\n{identity}\n")
        file.flush()
        os.fsync(file.fileno())
    return public


def encrypt(source: Readable, target: Writable, recipients: list[str]) -> None:
    """Encrypt a stream for whoever holds one of the keys, in bounded memory. Raises OSError of the target."""
    noted = _Noting(target)
    keys = [pyrage.x25519.Recipient.from_str(one) for one in recipients]
    try:
        pyrage.encrypt_io(source, noted, keys)
    except (pyrage.EncryptError, OSError) as error:
        raise noted.error or OSError(str(error)) from None


def decrypt(source: Readable, target: Writable, key: Path) -> None:
    """Decrypt a stream with any of the keys in a file; what arrives at the target is authentic.

    Raises :class:`KeyUnusable`, :class:`DecryptFailed`, and OSError of the target.
    """
    noted = _Noting(target)
    keys = _keys(key)
    try:
        pyrage.decrypt_io(source, noted, keys)
    except (pyrage.DecryptError, OSError) as error:
        if noted.error is not None:
            raise noted.error from None
        raise DecryptFailed("No matching keys" in str(error)) from None


def is_age(data: bytes) -> bool:
    """Is it encrypted with age?"""
    return data.startswith(_MAGIC)


def lock(data: bytes, phrase: str) -> bytes:
    """Encrypt with a pass phrase. Takes about two seconds and up to 512 MB: so does each guess (scrypt)."""
    return bytes(pyrage.passphrase.encrypt(data, phrase))


def unlock(data: bytes, phrase: str) -> bytes:
    """What :func:`lock` was given. Raises :class:`DecryptFailed`, with `wrong_key` for another phrase."""
    try:
        return bytes(pyrage.passphrase.decrypt(data, phrase))
    except pyrage.DecryptError as error:
        raise DecryptFailed(str(error) == "Decryption failed") from None


class _Noting:
    """A target that remembers why it took no more: the library tells it as text only."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self.error: OSError | None = None

    def write(self, data: bytes, /) -> int:
        try:
            return self._target.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        try:
            self._target.flush()
        except OSError as error:
            self.error = error
            raise


def _keys(path: Path) -> list[pyrage.x25519.Identity]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_KEY_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise KeyUnusable(f"the key {path} cannot be read: {error.strerror}") from None
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        try:
            found.append(pyrage.x25519.Identity.from_str(line.strip()))
        except pyrage.IdentityError:
            raise KeyUnusable(
                f"{path} is not an age key: it has a line AGE-SECRET-KEY-1…; "
                "take the file that was printed and locked away"
            ) from None
    if not found:
        raise KeyUnusable(f"{path} holds no age key: take the file that was printed and locked away")
    return found
