"""The part `clock`: whether it can be right, and how far it is from the coordinator's."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ..daemon_thread import in_daemon_thread
from ..health import clock_trusted
from ..room import Room

_TIMEOUT_S = 4.0
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: a wrong clock must not hide that it is wrong


async def clock(room: Room) -> dict[str, Any] | None:
    """`trusted`; `offset_s` where the coordinator's web server, which takes our pictures, says its time."""
    found: dict[str, Any] = {"trusted": clock_trusted(room.folder.root)}
    config = room.config()
    if config is None or config.upload is None or not room.linked:
        return found
    url, ca = config.upload.url, str(room.folder.ca)
    try:
        async with asyncio.timeout(_TIMEOUT_S + 2):
            found["offset_s"] = await in_daemon_thread(lambda: _offset(url, ca))
    except (OSError, ValueError, TimeoutError, http.client.HTTPException):
        return found
    return found


def _offset(url: str, ca: str) -> float:
    """How far this clock is ahead of the server's, which says whole seconds (RFC 9110, 10.1.1 Date)."""
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    where = urlsplit(url)
    connection = http.client.HTTPSConnection(
        where.hostname or "", where.port, timeout=_TIMEOUT_S, context=context
    )
    try:
        began = time.time()
        connection.request("HEAD", "/")
        said = connection.getresponse().getheader("Date")
        now = (began + time.time()) / 2
    finally:
        connection.close()
    if said is None:
        raise ValueError("the server does not say its time")
    return round(now - parsedate_to_datetime(said).timestamp() - 0.5, 1)
