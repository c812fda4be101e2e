"""Where the services listen: names, addresses and ports of this machine, and whether they can be had."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket

from .adapters.janus_config import JanusPorts
from .config import Settings

log = logging.getLogger(__name__)

RTP_PORTS = (20_000, 29_999)  # below the ports the kernel hands out


class PortTaken(OSError):
    """A port cannot be had. The text is one sentence for a person."""


def check_ports(settings: Settings, names: tuple[str, ...]) -> None:
    """Raise :class:`PortTaken` when a port that one of these services needs is taken."""
    wanted = {
        "mosquitto": [(address, settings.mqtt.port, "mqtt.port") for address in broker_addresses(settings)],
        "nginx": [
            (settings.web.host, settings.web.port, "web.port"),
            (guest_address(settings), settings.janus.port, "janus.port"),
        ],
        "tunnel": [(guest_address(settings), settings.tunnel.port, "tunnel.port")],
    }
    for name in names:
        for address, port, setting in wanted.get(name, []):
            problem = _bind(address, port)
            if problem == errno.EADDRINUSE:
                raise PortTaken(
                    f"port {port} ({name}) is taken by another program: "
                    f"end that program or set another {setting} in the configuration"
                )
            if problem:
                where = address or "any address"
                raise PortTaken(f"{name} cannot listen on {where} port {port}: {os.strerror(problem)}")


def server_names(settings: Settings) -> tuple[list[str], list[str]]:
    """DNS names and IP addresses under which this machine's services are reached."""
    names, addresses = ["localhost"], ["127.0.0.1"]
    for host in dict.fromkeys([settings.public_address, settings.mqtt.host]):
        known = addresses if _is_address(host) else names
        if host not in known:
            known.append(host)
    return names, addresses


def janus_ports(settings: Settings) -> JanusPorts:
    """Which of this machine's addresses Janus gives to halls for their media."""
    public = settings.public_address
    own = local(public)
    if public == "localhost" or (_is_address(public) and ipaddress.ip_address(public).is_loopback):
        log.warning("public_address is this machine's own loopback: no hall can send its picture here")
        return JanusPorts(None, *RTP_PORTS)
    return JanusPorts(own, *RTP_PORTS, mapped=public if own is None and _is_address(public) else None)


def broker_addresses(settings: Settings) -> list[str]:
    """Addresses the broker listens on; the empty one is every interface."""
    public = local(settings.public_address)
    if public is None:
        return [""]
    return list(dict.fromkeys([public, local(settings.mqtt.host) or public]))


def guest_address(settings: Settings) -> str:
    """Address at which browsers reach Janus and units dial in; 0.0.0.0 is every interface."""
    return local(settings.public_address) or "0.0.0.0"


def broker_endpoint(settings: Settings) -> tuple[str, int]:
    """Where the broker can be reached from here."""
    return local(settings.public_address) or "127.0.0.1", settings.mqtt.port


def written(host: str, port: int) -> str:
    """Address and port as they are written in one word."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def local(host: str) -> str | None:
    """`host` if it is an IP address of this machine, else None: a name, or an address of a NAT before us."""
    return host if _is_address(host) and _bind(host, 0) == 0 else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bind(address: str, port: int) -> int:
    """0 when a server could listen there now, else the errno."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except socket.gaierror:
            return errno.EADDRNOTAVAIL
        except OSError as error:
            return error.errno or errno.EIO
    return 0
