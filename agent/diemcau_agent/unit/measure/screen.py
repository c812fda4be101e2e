"""The part `screen`: whether something is drawn, and whether a display is there to show it."""

from __future__ import annotations

from typing import Any

from diemcau_agent.drivers.edid import connectors

from ..room import Room

READY_S = 3.0


async def screen(room: Room) -> dict[str, Any] | None:
    """A screen that is just being started is given a moment. That it draws is known by a picture of it."""
    ready = await room.screen.ready(READY_S)
    text = ""
    if ready:
        picture = room.folder.run / "check.png"
        taken = await room.screen.snapshot(picture)
        picture.unlink(missing_ok=True)
        text = str(taken.get("error") or "")
        # one that answers draws; that a picture could not be written is the disk's fault
        ready = taken.get("ok") is True or "id" in taken or "cannot be written" in text
        text = "" if ready else text
    found = connectors(room.sysfs / "class/drm")
    plugged = [one for one in found if one.plugged]
    values: dict[str, Any] = {
        "ready": ready,
        "connectors": len(found),
        "connected": len(plugged),
        "text": text[:200],
    }
    if plugged:
        values["edid"] = any(one.edid is not None for one in plugged)
        values["text"] = text or next((one.problem for one in plugged if one.edid is None), "")
    return values
