"""Links that need no account: the chair's phone page and a hall's, each valid for one meeting.

A token is a keyed digest of what it is for, so none is stored; the key is the secret of the occurrence's
room, which nobody else is ever told. A new number in `Occurrence.chair_link` makes the earlier links of the
chair worthless; 0 means that none was made.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from enum import StrEnum

from ..config import Settings
from ..store.tables import Occurrence

_TOKEN_BYTES = 16


class Purpose(StrEnum):
    """What a link lets its holder do: run the floor, or speak for a hall."""

    CHAIR = "chair"
    HALL = "hall"


def sign(purpose: Purpose, occurrence: Occurrence, site: str | None = None) -> str:
    """The token of a link, 22 characters that are safe in an address. A hall's needs its `site`."""
    turn = occurrence.chair_link if purpose is Purpose.CHAIR else 0
    return _token(occurrence.secret.encode(), f"{purpose.value}\n{occurrence.id}\n{site or ''}\n{turn}")


def verify(purpose: Purpose, occurrence: Occurrence, token: str, site: str | None = None) -> bool:
    """Is it the token of that link? Whether the meeting is open is for the caller to look at."""
    if purpose is Purpose.CHAIR and occurrence.chair_link == 0:
        return False
    return hmac.compare_digest(sign(purpose, occurrence, site).encode(), token.encode())


def hall_address(settings: Settings, occurrence: Occurrence, site: str) -> str:
    """The address of a hall's phone page for one meeting, about 90 letters: it goes into a QR code."""
    return hall_addresses(settings, occurrence)(site)


def hall_addresses(settings: Settings, occurrence: Occurrence) -> Callable[[str], str]:
    """:func:`hall_address` by site: what is the same for thousands of halls is made once."""
    key, place = occurrence.secret.encode(), f"{settings.web_url}/h/{occurrence.id}/"
    start, end = f"{Purpose.HALL.value}\n{occurrence.id}\n", "\n0"
    return lambda site: f"{place}{site}/{_token(key, start + site + end)}"


def _token(key: bytes, said: str) -> str:
    mac = hmac.digest(key, said.encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:_TOKEN_BYTES]).rstrip(b"=").decode()
