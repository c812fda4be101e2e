"""Secrets made by chance: bearer tokens, kept only as digests, and PINs of rooms."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """A token of 192 random bits, recognisable in a log that should not hold it."""
    return "dc_" + secrets.token_urlsafe(24)


def digest(token: str) -> str:
    """What is kept of a token. It has enough entropy that a plain SHA-256 cannot be searched."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_pin() -> str:
    """The PIN of a room: twelve digits."""
    return f"{secrets.randbelow(10**12):012}"
