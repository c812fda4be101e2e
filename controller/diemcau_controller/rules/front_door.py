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
_PART = re.compile(r"(?:^|,)(CN|O|serialNumber)=([^,=]{1,64})(?=,|$)")

_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Shown:
    """A client certificate that leads to our root: `name` is its CN, `serial` in our spelling; of a unit's,
    `site` and `epoch` are the binding for which it was issued."""

    name: str
    serial: str
    site: str | None = None
    epoch: int = 0


def shown(headers: Mapping[str, str]) -> Shown | None:
    """The certificate the client showed, its key proven; None for none. Names of headers in lower case."""
    if headers.get(VERIFIED) != "SUCCESS":
        return None
    subject, serial = headers.get(SUBJECT, ""), read_serial(headers.get(SERIAL, ""))
    parts = _PART.findall(subject) if _SUBJECT.fullmatch(subject) else []
    said = dict(parts)
    if serial is None or "CN" not in said or len(said) != len(parts):
        return None
    epoch = said.get("serialNumber", "")
    return Shown(said["CN"], serial, said.get("O"), int(epoch) if _NUMBER.fullmatch(epoch) else 0)
