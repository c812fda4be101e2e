"""Tickets for participants that have no certificate: a browser, a room system of somebody else.

`<meeting>.<end>.<seal>`: the occurrence it was asked for, when it ends (Unix time in seconds, hexadecimal),
and a keyed digest of both. It opens a line to Janus; the room still wants its PIN.
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime, timedelta

VALID = timedelta(minutes=30)
_SEAL_BYTES = 16
_LONGEST = 200


def issue(key: bytes, meeting: str, now: datetime) -> str:
    """A ticket, valid for :data:`VALID` from `now`; its letters are safe in an address."""
    said = f"{meeting}.{int((now + VALID).timestamp()):x}"
    return f"{said}.{_seal(key, said)}"


def meeting_of(key: bytes, ticket: str, now: datetime) -> str | None:
    """The meeting of a ticket; None when it is over or not one of ours."""
    if len(ticket) > _LONGEST or not ticket.isascii():
        return None
    said, _, seal = ticket.rpartition(".")
    meeting, _, end = said.rpartition(".")
    if not meeting or not hmac.compare_digest(_seal(key, said).encode(), seal.encode()):
        return None
    return meeting if now.timestamp() < int(end, 16) else None


def _seal(key: bytes, said: str) -> str:
    mac = hmac.digest(key, f"janus\n{said}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:_SEAL_BYTES]).rstrip(b"=").decode()
