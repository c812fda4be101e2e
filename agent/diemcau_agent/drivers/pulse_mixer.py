"""Mute and volume of the sound server's sources and sinks. Loads no codec: for the unit process."""

from __future__ import annotations

from dataclasses import dataclass

from . import pactl
from .pactl import Node, SoundServerLost
from .pulse_devices import PREFIX, resolve

MOST_PERCENT = 100


@dataclass(frozen=True, slots=True)
class MixerState:
    """How a microphone or a loudspeaker is set. `present`: the device is there now."""

    present: bool
    muted: bool = False
    volume_percent: int = 0


def state(name: str) -> MixerState | None:
    """How the source or sink of a configuration's name is set; None when no sound server can say it."""
    if not name.startswith(PREFIX):
        return None
    try:
        node = _look_up(name)
    except SoundServerLost:
        return None
    return MixerState(True, node.muted, node.volume_percent) if node is not None else MixerState(False)


def set_muted(name: str, muted: bool) -> None:
    """Mute it or let it be heard. Raises OSError when it is not there."""
    _set(name, "mute", "1" if muted else "0")


def set_volume(name: str, percent: int) -> None:
    """Set its volume, 0 to 100. Raises OSError when it is not there."""
    _set(name, "volume", f"{max(0, min(MOST_PERCENT, percent))}%")


def _set(name: str, what: str, value: str) -> None:
    node = _look_up(name)
    if node is None:
        raise OSError(f"{name} is not there")
    pactl.order(f"set-{node.side}-{what}", node.name, value)


def _look_up(name: str) -> Node | None:
    return resolve(name, [*pactl.nodes("source"), *pactl.nodes("sink")])
