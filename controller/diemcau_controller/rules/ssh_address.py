"""Where a unit is reached directly, if its network lets the office in: an address, perhaps with a port."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

PORT = 22
_WRITTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+))(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_SAID = "write an address such as 10.20.0.7, 10.20.0.7:2222, hall.office.lan or [fd00::7]:22"


def read_ssh_address(written: str) -> tuple[str, int]:
    """Host and port of such an address. Raises ValueError, saying what to write."""
    found = _WRITTEN.fullmatch(written)
    if found is None:
        raise ValueError(_SAID)
    host, port = found["six"] or found["host"], int(found["port"] or PORT)
    if not 1 <= port <= 65535 or not (_is_six(host) if found["six"] else _is_host(host)):
        raise ValueError(_SAID)
    return host, port


def checked_ssh_address(written: str) -> str:
    """The same text, if it is one. Raises ValueError, saying what to write."""
    read_ssh_address(written)
    return written


def _is_six(host: str) -> bool:
    try:
        return not IPv6Address(host).is_unspecified
    except AddressValueError:
        return False


def _is_host(host: str) -> bool:
    """A name, or an address in numbers: what ends in one is no name (RFC 3696)."""
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return not IPv4Address(host).is_unspecified
        except AddressValueError:
            return False
    labels = host.split(".")
    named = len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return named and not labels[-1].isdigit()
