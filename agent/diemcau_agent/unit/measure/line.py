"""The part `line`: whether the coordinator is reached, how fast, and whether a cable is plugged in at all."""

from __future__ import annotations

from typing import Any

from ..room import Room

RECONNECTS_S = 3.0


async def line(room: Room) -> dict[str, Any] | None:
    """A connection that is just being made again is given a moment."""
    linked = await room.until(lambda: room.linked, RECONNECTS_S)
    carriers = [
        path.read_text().strip() == "1"
        for path in room.sysfs.glob("class/net/*/carrier")
        if (path.parent / "device").exists() and _readable(path)
    ]
    return {
        "linked": linked,
        "rtt_ms": room.link.rtt_ms,
        "cables": len(carriers),
        "carriers": sum(carriers),
    }


def _readable(path: Any) -> bool:
    """The kernel refuses to say it of an interface that is switched off."""
    try:
        path.read_text()
    except OSError:
        return False
    return True
