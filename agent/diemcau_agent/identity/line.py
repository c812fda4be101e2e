"""Whether this box has a network line at all: what the first sentence on the screen depends on."""

from __future__ import annotations

import ipaddress
import socket

import psutil


def has_line() -> bool:
    """True when an interface that is up has an address that leads somewhere."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    return any(
        _leads(one.address)
        for name, addresses in psutil.net_if_addrs().items()
        if name in up
        for one in addresses
        if one.family in (socket.AF_INET, socket.AF_INET6)
    )


def _leads(address: str) -> bool:
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return not (number.is_loopback or number.is_link_local or number.is_unspecified)
