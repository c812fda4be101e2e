"""While the servers run: their certificate is renewed in time, and they are told of what changed.

A new certificate nginx and Mosquitto take over at a SIGHUP, without losing a connection. New roots nginx
takes over like that, too; Mosquitto 2.0 reads them at its start only, so it is started again: they change by
a person's decision, units are back within seconds, and meetings go on without a broker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .adapters.authority import Authority, AuthorityError

LOOK_S = 60.0
SERVICES = "services"
"""The name of the servers' key and certificate in the authority's folder."""

log = logging.getLogger(__name__)


async def watch_certificates(
    authority: Authority,
    names: tuple[list[str], list[str]],
    changed: Callable[[bool], None],
    *,
    every_s: float = LOOK_S,
) -> None:
    """Look now and then until cancelled; call `changed` when the certificate changed, or the roots (True).

    `names` are the DNS names and addresses of the servers. What cannot be read or written is logged, and
    tried again.
    """
    seen: tuple[bytes, bytes] | None = None
    while True:
        try:
            now = await asyncio.to_thread(_renewed, authority, names)
        except (AuthorityError, OSError) as error:
            log.warning("certificates cannot be renewed", extra={"error": str(error)})
        else:
            if seen is not None and now != seen:
                log.info("certificates changed", extra={"roots": now[1] != seen[1]})
                changed(now[1] != seen[1])
            seen = now
        await asyncio.sleep(every_s)


def _renewed(authority: Authority, names: tuple[list[str], list[str]]) -> tuple[bytes, bytes]:
    _, certificate = authority.server_certificate(*names, files=SERVICES)
    return certificate.read_bytes(), authority.ca_pem()
