"""The part `television`: what it says of itself, with patience, because many say their old state for a
while."""

from __future__ import annotations

import asyncio
from typing import Any

from diemcau_agent.drivers.televisions import Power, TelevisionLost

from ..room import Room

PATIENCE_S, AGAIN_S = 15.0, 1.5


async def television(room: Room, *, ordered: bool = False) -> dict[str, Any] | None:
    """None where none is configured. `ordered`: it was just told something, so an old state is waited out; so
    it is when the hall told it by itself, before a meeting, right before this check."""
    until = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            state = await room.television.state()
        except TelevisionLost as lost:
            return {"why": lost.why, "text": str(lost)[:200]}
        if state is None:
            return None
        changing = state.power in (Power.TURNING_ON, Power.TURNING_OFF, Power.UNKNOWN)
        not_yet = (ordered or room.television.just_told) and (
            state.power is not Power.ON or state.ours is False
        )
        if not (changing or not_yet) or asyncio.get_running_loop().time() >= until:
            return {"power": state.power.value, "ours": state.ours, "name": state.name[:60]}
        await asyncio.sleep(AGAIN_S)
