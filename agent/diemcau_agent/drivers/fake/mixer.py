"""Mute and volume of a fake microphone or loudspeaker: `plugged`, `muted`, `volume_percent` of its file."""

from __future__ import annotations

import json
from pathlib import Path

from ..pulse_mixer import MOST_PERCENT, MixerState
from .setting import change_setting


def state(path: str) -> MixerState:
    """How it is set; a file that is not there or garbage is a device that is not there."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        if not values.get("plugged", True):
            return MixerState(False)
        return MixerState(True, bool(values.get("muted", False)), int(values.get("volume_percent", 100)))
    except (OSError, ValueError, TypeError, AttributeError):
        return MixerState(False)


def set_muted(path: str, muted: bool) -> None:
    """Write it into the file. Raises OSError when the device is not there."""
    _there(path)
    change_setting(path, muted=muted)


def set_volume(path: str, percent: int) -> None:
    """Write it into the file. Raises OSError when the device is not there."""
    _there(path)
    change_setting(path, volume_percent=max(0, min(MOST_PERCENT, percent)))


def _there(path: str) -> None:
    if not state(path).present:
        raise OSError(f"{path} is not plugged in")
