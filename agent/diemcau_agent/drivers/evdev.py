"""A keypad through the kernel's input device (linux/input.h), grabbed so that its keys reach nobody else."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct

from . import evdev_devices
from .buttons import ButtonsLost, KeyEvent

_GRAB = 1 << 30 | 4 << 16 | ord("E") << 8 | 0x90  # EVIOCGRAB = _IOW('E', 0x90, int); its argument is a value
_EVENT = struct.Struct("@llHHi")  # struct input_event: struct timeval, type, code, value
_SYNC, _KEY = 0, 1
_DROPPED = 3  # SYN_DROPPED: the kernel's buffer ran over
_WHY = {errno.EBUSY: "busy", errno.EACCES: "refused", errno.EPERM: "refused", errno.ENOENT: "missing"}


class EvdevButtons:
    """The keypad a source names, opened and grabbed. Raises :class:`ButtonsLost`."""

    def __init__(self, source: str) -> None:
        node = evdev_devices.resolve(source)
        self._device: int | None = None
        try:
            self._device = os.open(node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(self._device, _GRAB, 1)
        except OSError as error:
            self.close()
            raise ButtonsLost(f"{node}: {error.strerror}", _WHY.get(error.errno or 0, "lost")) from None

    def read(self, timeout_s: float) -> list[KeyEvent]:
        """What happened to its keys. Raises :class:`ButtonsLost` when it is unplugged, and when events were
        lost: opened again, it starts anew."""
        if self._device is None:
            raise ButtonsLost("the keypad is closed")
        try:
            if not select.select([self._device], [], [], timeout_s)[0]:
                return []
            data = os.read(self._device, 64 * _EVENT.size)
        except BlockingIOError:
            return []
        except OSError as error:
            raise ButtonsLost(f"the keypad is gone: {error.strerror}") from None
        if not data:
            raise ButtonsLost("the keypad is gone")
        return keys_of(data)

    def close(self) -> None:
        """Let it go; the grab ends with it."""
        if self._device is not None:
            os.close(self._device)
            self._device = None


def keys_of(data: bytes) -> list[KeyEvent]:
    """The key events in what was read. Raises :class:`ButtonsLost` when the kernel says some were lost."""
    events = []
    for _, _, kind, code, value in _EVENT.iter_unpack(data[: len(data) // _EVENT.size * _EVENT.size]):
        if kind == _SYNC and code == _DROPPED:
            raise ButtonsLost("keys were pressed faster than they were read")
        if kind == _KEY:
            events.append(KeyEvent(code, value))
    return events
