"""The kernel's word that something was plugged in or unplugged (netlink(7), NETLINK_KOBJECT_UEVENT)."""

from __future__ import annotations

import asyncio
import logging
import socket

log = logging.getLogger(__name__)

_FAMILY = 15  # NETLINK_KOBJECT_UEVENT
_KERNEL, _UDEV = 1, 2  # groups: as it happens, and again when udev has made its links
_BUFFER = 1 << 20
SUBSYSTEMS = frozenset({b"video4linux", b"sound", b"input", b"cec", b"drm"})


class Uevents:
    """Sets `seen` whenever a device of a kind that matters here comes or goes. `refused` counts garbage.

    Nothing in a message is believed but that it is time to look; where the kernel lets nobody listen (some
    sandboxes), it stays silent.
    """

    def __init__(self, seen: asyncio.Event) -> None:
        self._seen = seen
        self.refused = 0
        self._socket: socket.socket | None = None

    def open(self) -> bool:
        """Begin to listen; False when that is not possible here."""
        try:
            made = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, _FAMILY
            )
        except OSError as error:
            log.warning("no word of plugged devices", extra={"error": str(error)})
            return False
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            made.bind((0, _KERNEL | _UDEV))
        except OSError as error:
            made.close()
            log.warning("no word of plugged devices", extra={"error": str(error)})
            return False
        self._socket = made
        asyncio.get_running_loop().add_reader(made.fileno(), self._read)
        return True

    def close(self) -> None:
        """Listen no more."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: more than we could take, so something did happen
            self._seen.set()
            return
        subsystem = subsystem_of(data)
        if subsystem is None:
            self.refused += 1
        elif subsystem in SUBSYSTEMS:
            self._seen.set()


def subsystem_of(data: bytes) -> bytes | None:
    """What kind of device a message is about; None for something that is no such message."""
    for field in data.split(b"\0"):
        key, _, value = field.partition(b"=")
        if key == b"SUBSYSTEM":
            return value or None
    return None
