"""The parts `disk`, `heat` and `power`: how the unit itself is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ..health import disk_writable
from ..room import Room

_UNDERVOLTAGE = 1 | 1 << 16  # now, and since the start: bits 0 and 16 of the firmware's get_throttled


async def disk(room: Room) -> dict[str, Any] | None:
    """Whether the state folder can be written, and what is free there."""
    problem = disk_writable(room.folder.root)
    if problem is not None:
        return {"text": problem}
    return {"free_bytes": shutil.disk_usage(room.folder.root).free}


async def heat(room: Room) -> dict[str, Any] | None:
    """The hottest thermal zone in °C (kernel: Documentation/driver-api/thermal/sysfs-api)."""
    found = [_number(path) for path in room.sysfs.glob("class/thermal/thermal_zone*/temp")]
    celsius = [value / 1000 for value in found if value is not None]
    return {"celsius": max(celsius)} if celsius else None


async def power(room: Room) -> dict[str, Any] | None:
    """Whether the supply was too weak: the Raspberry Pi says so as a sensor (hwmon rpi_volt), or its
    firmware."""
    for sensor in room.sysfs.glob("class/hwmon/hwmon*"):
        if _text(sensor / "name") == "rpi_volt":
            return {"undervoltage": (_number(sensor / "in0_lcrit_alarm") or 0) != 0}
    throttled = _text(room.sysfs / "devices/platform/soc/soc:firmware/get_throttled")
    try:
        return {"undervoltage": bool(int(throttled, 16) & _UNDERVOLTAGE)} if throttled else None
    except ValueError:
        return None


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
