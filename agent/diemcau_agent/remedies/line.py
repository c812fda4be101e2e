"""The line: wait, it often comes back."""

from __future__ import annotations

import asyncio

from diemcau_agent.unit.room import Room

from .remedy import Remedy

_PATIENCE_S, _BREATH_S = 12.0, 3.0


async def _wait(room: Room) -> str:
    """The link connects again by itself, with growing pauses; a busy or restarting server needs a moment."""
    await asyncio.sleep(_BREATH_S)
    back = await room.until(lambda: room.linked, _PATIENCE_S - _BREATH_S)
    return "the coordinator is reached" if back else f"waited {_PATIENCE_S:g} s"


WAIT = Remedy("wait_line", "waits up to 12 s for the line to come back", _wait, at_most=2)
