"""The serial number of a certificate as text: one spelling, whoever wrote it down.

Ours is lower-case hex without leading zeros. nginx writes upper case in whole bytes, OpenSSL's command line
puts colons between them.
"""

from __future__ import annotations

import re

_HEX = re.compile(r"[0-9a-f]{1,40}")  # RFC 5280: at most 20 octets


def serial_text(number: int) -> str:
    """A serial number as we store and compare it."""
    return f"{number:x}"


def read_serial(text: str) -> str | None:
    """A serial number as others wrote it, in our spelling; None for what is none."""
    bare = text.strip().replace(":", "").lower()
    return serial_text(int(bare, 16)) if _HEX.fullmatch(bare) else None
