"""Mute and volume of a configuration's microphone or loudspeaker, whatever it is. Loads no codec."""

from __future__ import annotations

from . import pulse_mixer
from .fake import mixer as fake_mixer
from .pulse_mixer import MixerState

_FAKE = "fake:"


def state(name: str) -> MixerState | None:
    """How it is set; None for one that cannot be set, or when nobody can say it. Blocks up to 6 s."""
    if name.startswith(_FAKE):
        return fake_mixer.state(name.removeprefix(_FAKE))
    return pulse_mixer.state(name)


def set_muted(name: str, muted: bool) -> None:
    """Mute it or let it be heard. Raises OSError when it is not there or cannot be set."""
    if name.startswith(_FAKE):
        fake_mixer.set_muted(name.removeprefix(_FAKE), muted)
    else:
        pulse_mixer.set_muted(name, muted)


def set_volume(name: str, percent: int) -> None:
    """Set its volume, 0 to 100. Raises OSError when it is not there or cannot be set."""
    if name.startswith(_FAKE):
        fake_mixer.set_volume(name.removeprefix(_FAKE), percent)
    else:
        pulse_mixer.set_volume(name, percent)
