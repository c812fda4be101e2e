"""The unit's own processes: a fresh screen, a fresh process for camera and sound."""

from __future__ import annotations

import asyncio

from diemcau_agent.unit.room import Room

from .remedy import Remedy

_GONE_S, _START_S = 0.5, 12.0


async def _restart_screen(room: Room) -> str:
    """One that has just ended is being started again already: then there is only to wait for it."""
    if room.screen.child is not None:
        room.screen.renew()
        await asyncio.sleep(_GONE_S)
    ready = await room.screen.ready(_START_S)
    return "a fresh one draws" if ready else "a fresh one was started and does not draw"


async def _fresh_media(room: Room) -> str:
    """The one that hung was killed when it fell silent; measuring again starts another."""
    return "killed; a fresh one takes over"


RESTART_SCREEN = Remedy("restart_screen", "kills the screen process, a fresh one takes over", _restart_screen)
FRESH_MEDIA = Remedy(
    "fresh_media", "kills the process for camera and sound, a fresh one takes over", _fresh_media, at_most=2
)
