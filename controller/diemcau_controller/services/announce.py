"""Tell the local network where the coordinator is (DNS-SD), so that a new unit finds it by itself.

It says an address and nothing else: whom a unit trusts is settled by the digits on its screen.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from ipaddress import ip_address

from zeroconf import InterfaceChoice, IPVersion, NonUniqueNameException, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from ..config import Settings

SERVICE = "_diemcau._tcp.local."
_AGAIN_S = 60.0  # after the network was not there

log = logging.getLogger(__name__)


def announcement(settings: Settings) -> ServiceInfo:
    """What is said: the name or address units shall use, as TXT `host`, and the port of the web page."""
    return ServiceInfo(
        SERVICE,
        f"Diem Cau {settings.public_address.replace('.', '-')}.{SERVICE}",
        addresses=_addresses(settings.public_address),
        port=settings.web.port,
        properties={"v": "1", "host": settings.public_address},
        server=f"diemcau-{socket.gethostname().partition('.')[0]}.local.",
    )


def worth_announcing(settings: Settings) -> bool:
    """False where it is switched off, or nobody else could reach the address."""
    try:
        return settings.announce and not ip_address(settings.public_address).is_loopback
    except ValueError:
        return settings.announce


async def announce(settings: Settings) -> None:
    """Announce until cancelled. A network that cannot be used is tried again every minute."""
    while True:
        zeroconf: AsyncZeroconf | None = None
        try:
            zeroconf = AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.V4Only)
            await zeroconf.async_register_service(announcement(settings), allow_name_change=True)
            await asyncio.Event().wait()
        except (OSError, NonUniqueNameException) as error:
            log.info("cannot announce the coordinator", extra={"error": str(error)})
            await asyncio.sleep(_AGAIN_S)
        finally:
            if zeroconf is not None:
                with suppress(OSError):
                    await zeroconf.async_close()


def _addresses(public: str) -> list[bytes]:
    """The public address, or what its name means here."""
    try:
        return [ip_address(public).packed]
    except ValueError:
        pass
    with suppress(OSError):
        return [socket.inet_aton(socket.gethostbyname(public))]
    return []
