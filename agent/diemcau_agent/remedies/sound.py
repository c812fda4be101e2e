"""Microphone and loudspeaker: let be heard, louder, quieter, opened again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from diemcau_agent.drivers import sound_mixer
from diemcau_agent.unit.daemon_thread import in_daemon_thread
from diemcau_agent.unit.room import Room

from .remedy import NotPossible, Remedy

MICROPHONE_PERCENT = 75
LOUD_PERCENT, QUIETER_PERCENT, LEAST_PERCENT = 80, 15, 30
_LIMIT_S = 10.0
_R = TypeVar("_R")


async def _restart(room: Room) -> str:
    """Every measurement opens them in a fresh process; the sound server needs a moment first."""
    await asyncio.sleep(1.5)
    return "opened again by a fresh process"


async def _unmute_microphone(room: Room) -> str:
    source = _microphone(room)
    await _mixing(lambda: sound_mixer.set_muted(source, False))
    return "unmuted"


async def _raise_microphone(room: Room) -> str:
    source = _microphone(room)
    await _mixing(lambda: sound_mixer.set_volume(source, MICROPHONE_PERCENT))
    return f"set to {MICROPHONE_PERCENT} %"


async def _unmute_sound(room: Room) -> str:
    output = _output(room)

    def unmute() -> None:
        sound_mixer.set_muted(output, False)
        state = sound_mixer.state(output)
        if state is not None and state.volume_percent == 0:
            sound_mixer.set_volume(output, LOUD_PERCENT)

    await _mixing(unmute)
    return "unmuted"


async def _raise_sound(room: Room) -> str:
    output = _output(room)
    state = await _mixing(lambda: sound_mixer.state(output))
    if state is None or state.volume_percent >= LOUD_PERCENT:
        raise NotPossible("it is loud already")
    await _mixing(lambda: sound_mixer.set_volume(output, LOUD_PERCENT))
    return f"from {state.volume_percent} to {LOUD_PERCENT} %"


async def _lower_sound(room: Room) -> str:
    output = _output(room)
    state = await _mixing(lambda: sound_mixer.state(output))
    if state is None or state.volume_percent <= LEAST_PERCENT:
        raise NotPossible("it is quiet already")
    percent = max(LEAST_PERCENT, state.volume_percent - QUIETER_PERCENT)
    await _mixing(lambda: sound_mixer.set_volume(output, percent))
    return f"from {state.volume_percent} to {percent} %"


async def _mixing(work: Callable[[], _R]) -> _R:
    async with asyncio.timeout(_LIMIT_S):
        return await in_daemon_thread(work)


def _microphone(room: Room) -> str:
    config = room.config()
    if config is None:
        raise NotPossible("there is no configuration")
    return config.microphone.source


def _output(room: Room) -> str:
    config = room.config()
    if config is None:
        raise NotPossible("there is no configuration")
    return config.sound.output


RESTART = Remedy("restart_sound", "opens microphone and loudspeaker again, with a fresh process", _restart)
UNMUTE_MICROPHONE = Remedy(
    "unmute_microphone", "takes the sound server's mute off the microphone", _unmute_microphone
)
RAISE_MICROPHONE = Remedy("raise_microphone", "sets the microphone's volume to 75 %", _raise_microphone)
UNMUTE_SOUND = Remedy("unmute_sound", "takes the sound server's mute off the loudspeaker", _unmute_sound)
RAISE_SOUND = Remedy("raise_sound", "sets the loudspeaker's volume to 80 %", _raise_sound)
LOWER_SOUND = Remedy("lower_sound", "lowers the loudspeaker's volume by 15 %", _lower_sound, at_most=2)
