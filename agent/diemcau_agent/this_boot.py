"""This start of the machine: its name, and how long ago it was. No clock that somebody sets has a say."""

from __future__ import annotations

import time
from pathlib import Path

_NAME = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Another one after each start. Raises OSError."""
    return _NAME.read_text().strip()


def booted_s() -> float:
    """Seconds since the machine started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
