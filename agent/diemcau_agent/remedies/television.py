"""The television: on, and on this unit's input."""

from __future__ import annotations

from diemcau_agent.unit.room import Room

from .remedy import Remedy


async def _on(room: Room) -> str:
    await room.television.turn_on()
    await room.television.show_us()
    return "told to leave standby and to show this unit"


async def _input(room: Room) -> str:
    await room.television.show_us()
    return "told to show this unit"


ON = Remedy("television_on", "tells the television to leave standby", _on, at_most=2)
INPUT = Remedy("television_input", "tells the television to change to this unit's input", _input, at_most=2)
