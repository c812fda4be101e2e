"""Links that need no account: the chair's phone page and a hall's, each valid for one meeting.

A token is a keyed digest of what it is for, so none is stored. The key lies in `generated/links.key`, made
on first use. A new number in `Occurrence.chair_link` makes the earlier links of the chair worthless; 0 means
that none was made.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
from enum import StrEnum

from ..adapters.ca import write_secret
from ..config import StateDir
from ..store.tables import Occurrence
from .controller import Controller

_KEY_BYTES = 32
_TOKEN_BYTES = 16
_making = threading.Lock()  # two pages may be the first to need the key


class Purpose(StrEnum):
    """What a link lets its holder do: run the floor, or speak for a hall."""

    CHAIR = "chair"
    HALL = "hall"


def sign(controller: Controller, purpose: Purpose, occurrence: Occurrence, site: str | None = None) -> str:
    """The token of a link, 22 characters that are safe in an address. A hall's needs its `site`."""
    turn = occurrence.chair_link if purpose is Purpose.CHAIR else 0
    said = "\n".join((purpose.value, occurrence.id, site or "", str(turn)))
    mac = hmac.digest(_key(controller.state), said.encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:_TOKEN_BYTES]).rstrip(b"=").decode()


def verify(
    controller: Controller, purpose: Purpose, occurrence: Occurrence, token: str, site: str | None = None
) -> bool:
    """Is it the token of that link? Whether the meeting is open is for the caller to look at."""
    if purpose is Purpose.CHAIR and occurrence.chair_link == 0:
        return False
    return hmac.compare_digest(sign(controller, purpose, occurrence, site).encode(), token.encode())


def _key(state: StateDir) -> bytes:
    path = state.links_key
    with _making:
        if not path.exists():
            write_secret(path, secrets.token_bytes(_KEY_BYTES))
    return path.read_bytes()
