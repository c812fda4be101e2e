"""What nginx says of the client certificate it has checked, and what follows from it.

nginx sets these headers on everything it passes on, in place of whatever the client sent, and both processes
behind it listen on Unix sockets that only it reaches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .serials import read_serial

VERIFIED, SUBJECT, SERIAL = "x-client-verify", "x-client-subject", "x-client-serial"
_SUBJECT = re.compile(r"[^\\+\"#;<>]*")  # RFC 2253, without escapes: our names need none
_NAME = re.compile(r"(?:^|,)CN=([^,=]{1,64})(?=,|$)")


@dataclass(frozen=True, slots=True)
class Shown:
    """A client certificate that leads to our root: `name` is its CN, `serial` in our spelling."""

    name: str
    serial: str


def shown(headers: Mapping[str, str]) -> Shown | None:
    """The certificate the client showed, its key proven; None for none. Names of headers in lower case."""
    if headers.get(VERIFIED) != "SUCCESS":
        return None
    subject, serial = headers.get(SUBJECT, ""), read_serial(headers.get(SERIAL, ""))
    names = _NAME.findall(subject) if _SUBJECT.fullmatch(subject) else []
    return Shown(names[0], serial) if len(names) == 1 and serial is not None else None
