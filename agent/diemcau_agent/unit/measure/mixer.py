"""The part `mixer`: how the sound server has set microphone and loudspeaker."""

from __future__ import annotations

import asyncio
from typing import Any

from diemcau_agent.drivers import sound_mixer

from ..daemon_thread import in_daemon_thread
from ..room import Room

_LIMIT_S = 8.0


async def mixer(room: Room) -> dict[str, Any] | None:
    """None where neither is one that can be set."""
    config = room.config()
    if config is None:
        return None
    source, sink = config.microphone.source, config.sound.output

    def look() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, side in ((source, "source"), (sink, "sink")):
            state = sound_mixer.state(name) if name != "none" else None
            if state is not None and state.present:
                found |= {f"{side}_muted": state.muted, f"{side}_volume": state.volume_percent}
        return found

    async with asyncio.timeout(_LIMIT_S):
        return await in_daemon_thread(look) or None
