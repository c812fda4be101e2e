"""Secrets of this installation that processes here share: random, made once for a state folder."""

from __future__ import annotations

import secrets
from pathlib import Path

from .adapters.whole_file import write_secret


def kept_secret(path: Path) -> str:
    """The secret at `path`, made if there is none yet; only the owner can read it."""
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(32).encode())
    return path.read_text().strip()
