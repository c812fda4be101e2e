"""What a service manager gives a process and is told by it: sd_listen_fds(3), sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

SIGN_OF_LIFE_S = 2.0


def manages_us() -> bool:
    """True when a service manager started this very process and passed it a socket."""
    return os.environ.get("LISTEN_PID") == str(os.getpid())


class Watchdog:
    """Signs of life for the manager, who ends a service that gives none (`WatchdogSec=`).

    Outside a service nothing happens.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._next = now, 0.0
        self._manager: socket.socket | None = None
        address = os.environ.get("NOTIFY_SOCKET", "")
        if address[:1] in ("/", "@"):
            self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._address = "\0" + address[1:] if address[0] == "@" else address
            self._say("READY=1")

    def feed(self) -> None:
        """Call it as often as you like: one sign every two seconds goes out."""
        now = self._now()
        if self._manager is not None and now >= self._next:
            self._next = now + SIGN_OF_LIFE_S
            self._say("WATCHDOG=1")

    def _say(self, state: str) -> None:
        if self._manager is None:
            return
        try:
            self._manager.sendto(state.encode(), self._address)
        except OSError:  # the manager is busy or being replaced; the next sign comes soon
            self._next = 0.0
