"""Names for the TURN server, which relays media for browsers behind a strict NAT. They end by themselves.

coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00): the name is the second it ends at and who it is
for, the password the HMAC-SHA-1 of the name by a secret only the two servers know.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any


def ice_servers(urls: Sequence[str], secret: bytes, who: str, until: datetime) -> list[dict[str, Any]]:
    """What a browser is given as `iceServers`, good until then."""
    name = f"{int(until.timestamp())}:{who}"
    password = base64.b64encode(hmac.new(secret, name.encode(), hashlib.sha1).digest()).decode()
    return [{"urls": [*urls], "username": name, "credential": password}]
