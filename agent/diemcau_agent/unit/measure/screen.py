"""The part `screen`: whether something is drawn, and whether a display is there to show it."""

from __future__ import annotations

from typing import Any

from diemcau_agent.drivers.edid import connectors

from ..room import Room

READY_S = 3.0


async def screen(room: Room) -> dict[str, Any] | None:
    """A screen that is just being started is given a moment."""
    ready = await room.screen.ready(READY_S)
    found = connectors(room.sysfs / "class/drm")
    plugged = [one for one in found if one.plugged]
    values: dict[str, Any] = {"ready": ready, "connectors": len(found), "connected": len(plugged)}
    if plugged:
        values["edid"] = any(one.edid is not None for one in plugged)
        values["text"] = next((one.problem for one in plugged if one.edid is None), "")
    return values
