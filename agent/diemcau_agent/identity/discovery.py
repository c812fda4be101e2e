"""Coordinators that announce themselves on the local network: DNS-SD, service `_diemcau._tcp` (RFC 6763).

Anybody on that network can announce himself. Nothing is believed for it: the nine digits on the screen only
fit when both sides know the same roots.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import threading
import time

from zeroconf import IPVersion, ServiceBrowser, ServiceListener, Zeroconf

log = logging.getLogger(__name__)

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")
SERVICE = "_diemcau._tcp.local."
LOOK_S = 4.0
_SETTLE_S = 0.7  # after the first one: a second one may answer as well
_RESOLVE_MS = 1500


def look(seconds: float = LOOK_S) -> list[str]:
    """The addresses (`https://host:port`) of who announces itself, in a lasting order; [] after `seconds`."""
    found = _Found()
    try:
        zeroconf = Zeroconf(ip_version=IPVersion.V4Only)
    except OSError as error:  # no line, or no multicast on it
        log.info("nobody can be looked for on this network", extra={"error": str(error)})
        return []
    try:
        ServiceBrowser(zeroconf, SERVICE, found)
        deadline = time.monotonic() + seconds
        if found.first.wait(seconds):
            time.sleep(min(_SETTLE_S, max(0.0, deadline - time.monotonic())))
        names = sorted(found.names)
        return [address for name in names for address in _addresses(zeroconf, name)]
    finally:
        zeroconf.close()


class _Found(ServiceListener):
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.first = threading.Event()

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.names.add(name)
        self.first.set()

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.names.discard(name)


def _addresses(zeroconf: Zeroconf, name: str) -> list[str]:
    info = zeroconf.get_service_info(SERVICE, name, timeout=_RESOLVE_MS)
    if info is None or not info.port:
        return []
    # as it calls itself, because that is what its certificate names; else by number, for a hall's resolver
    # knows no .local
    numbers = [ipaddress.ip_address(one) for one in info.parsed_addresses(IPVersion.V4Only)]
    usable = sorted(number for number in numbers if not number.is_loopback and not number.is_link_local)
    named = info.decoded_properties.get("host") or ""
    hosts = [named] if _HOST.fullmatch(named) else []
    return [f"https://{host}:{info.port}" for host in dict.fromkeys([*hosts, *map(str, usable)])]
