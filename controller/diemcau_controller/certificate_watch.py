"""While the servers run: their certificate is renewed in time, and they take over what changed.

Mosquitto takes a new certificate over by SIGHUP, without losing a connection. nginx, one process here, can
not: it is started again, at night, for the certificate before it is good for another eight months. New roots
both of them read at their start only (Mosquitto keeps its `cafile` at a SIGHUP); they change by a person's
decision, so both are started again at once: units are back within seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .adapters.authority import Authority, AuthorityError

LOOK_S = 60.0
NIGHT = range(2, 4)  # hours in which no meeting is held
SERVICES = "services"
"""The name of the servers' key and certificate in the authority's folder."""

log = logging.getLogger(__name__)


class TakeOver(StrEnum):
    """What the servers shall do: the broker reads its certificate anew, nginx or both are started again."""

    BROKER_READS = "broker reads"
    WEB_AGAIN = "web again"
    BOTH_AGAIN = "both again"


@dataclass
class CertificateWatch:
    """Pure: what was seen, and what is due."""

    _seen: tuple[bytes, bytes] | None = None
    _web_is_due: bool = False

    def look(self, certificate: bytes, roots: bytes, local: datetime) -> list[TakeOver]:
        """What the servers shall do now, given the files as they are."""
        before, self._seen = self._seen, (certificate, roots)
        if before is not None and before[1] != roots:
            self._web_is_due = False
            return [TakeOver.BOTH_AGAIN]
        due = []
        if before is not None and before[0] != certificate:
            due.append(TakeOver.BROKER_READS)
            self._web_is_due = True
        if self._web_is_due and local.hour in NIGHT:
            due.append(TakeOver.WEB_AGAIN)
            self._web_is_due = False
        return due


async def watch_certificates(
    authority: Authority,
    names: tuple[list[str], list[str]],
    take_over: Callable[[TakeOver], None],
    local: Callable[[], datetime],
    *,
    every_s: float = LOOK_S,
) -> None:
    """Look now and then until cancelled, and say what to take over.

    `names` are the DNS names and addresses of the servers, `local` the coordinator's time. What cannot be
    read or written is logged, and tried again.
    """
    watch = CertificateWatch()
    while True:
        try:
            certificate, roots = await asyncio.to_thread(_renewed, authority, names)
        except (AuthorityError, OSError) as error:
            log.warning("certificates cannot be renewed", extra={"error": str(error)})
        else:
            for what in watch.look(certificate, roots, local()):
                log.info("certificates changed", extra={"what": what})
                take_over(what)
        await asyncio.sleep(every_s)


def _renewed(authority: Authority, names: tuple[list[str], list[str]]) -> tuple[bytes, bytes]:
    _, certificate = authority.server_certificate(*names, files=SERVICES)
    return certificate.read_bytes(), authority.ca_pem()
