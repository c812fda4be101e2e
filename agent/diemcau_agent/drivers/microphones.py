"""Microphones: what they are to the media process, and which driver a source names."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
BLOCK = 960  # samples: 20 ms

Block = NDArray[np.int16]


class MicrophoneLost(OSError):
    """The microphone cannot be opened or gives nothing any more; the text says why."""


class Microphone(Protocol):
    """An open microphone, read by one thread. It paces itself."""

    def read(self) -> Block:
        """The next 960 samples, 48 kHz mono. Raises :class:`MicrophoneLost`."""

    def close(self) -> None:
        """Let the device go."""


def open_microphone(source: str) -> Microphone | None:
    """Open the microphone a source string names; None for `none`.

    Raises :class:`MicrophoneLost`, also for a source nobody knows.
    """
    kind, _, rest = source.partition(":")
    if source == "none":
        return None
    if kind == "tone":
        from .tone import Tone

        return Tone(rest)
    if kind == "file" and rest:
        from .sound_file import SoundFileMicrophone

        return SoundFileMicrophone(rest)
    raise MicrophoneLost(f"no driver for microphone {source!r}")
