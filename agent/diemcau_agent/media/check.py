"""A check's part in the media process: camera, microphone, tone and the way into a room, measured, not
judged.

Each part is told as soon as it is known, so that one that hangs keeps nothing else back; while the process
lives it says every second what it is at, and how much of the time its own timers lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from diemcau_agent.ipc import Line

from .measure.camera import camera
from .measure.load import Lateness
from .measure.room import room
from .measure.sound import sound
from .orders import Check

ALIVE_S = 1.0


async def check(order: Check, tell: Callable[[Line], None]) -> Line:
    """Measure the parts that are ordered, at most about 35 s. Returns the line `checked`."""
    measured: dict[str, dict[str, Any]] = {}
    left = list(order.parts)

    def done(part: str, values: dict[str, Any] | None) -> None:
        if part in left:
            left.remove(part)
        if values is not None:
            measured[part] = values
            tell({"type": "measured", "part": part, "values": values})

    async def devices() -> None:
        moving = 0.0
        if "camera" in order.parts:
            values = await camera(order, tell)
            done("camera", values)
            moving = float((values or {}).get("moving", 0.0))
        if "microphone" in order.parts or "tone" in order.parts:
            await sound(order, moving, tell, done)
            for part in ("microphone", "tone"):
                done(part, None)

    async def way_in() -> None:
        if "room" in order.parts:
            done("room", await room(order))

    lateness = Lateness()

    async def live() -> None:
        while True:
            tell({"type": "checking", "parts": list(left), "lost": lateness.share})
            await asyncio.sleep(ALIVE_S)

    living = [
        asyncio.create_task(lateness.watch(), name="lateness"),
        asyncio.create_task(live(), name="alive"),
    ]
    try:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(devices(), name="devices")
            parts.create_task(way_in(), name="room")
    finally:
        for task in living:
            task.cancel()
    tell({"type": "checking", "parts": [], "lost": lateness.share})
    return {"type": "checked", "measured": measured}
