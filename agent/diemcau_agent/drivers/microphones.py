"""Microphones: what they are to the media process, and which driver a source names."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
BLOCK = 960  # samples: 20 ms

Block = NDArray[np.int16]


class MicrophoneLost(OSError):
    """The microphone cannot be opened or gives nothing any more; the text says why.

    `why` is a stable word: `missing` (not plugged in), `busy` (there, but not to be had), `substituted`
    (another one opened in its place), `silent` (open, gives nothing at all), `lost` (it was there; or the
    reason is unknown).
    """

    def __init__(self, text: str, why: str = "lost") -> None:
        super().__init__(text)
        self.why = why


class Microphone(Protocol):
    """An open microphone, read by one thread. It paces itself."""

    @property
    def muted(self) -> bool:
        """Whether the sound server has muted it, so that it gives silence."""

    @property
    def echo_cancelled(self) -> bool:
        """Whether what the loudspeaker plays is taken out of it."""

    def read(self) -> Block:
        """The next 960 samples, 48 kHz mono. Raises :class:`MicrophoneLost`, at the latest after 2 s.

        To a reader that is slower than the sound comes, sound older than half a second is lost, not late.
        """

    def close(self) -> None:
        """Let the device go."""


class PlainMicrophone:
    """A microphone that nobody mutes and that hears no loudspeaker: its start, for drivers without either."""

    muted = False
    echo_cancelled = False


def open_microphone(
    source: str, *, echo_cancellation: bool = True, output: str = "none"
) -> Microphone | None:
    """Open the microphone a source string names; None for `none`. Blocks up to 5 s.

    With `echo_cancellation` what `output` plays is taken out of it, where that can be had; without, it is
    what the microphone really hears. Raises :class:`MicrophoneLost`, also for a source nobody knows.
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
    if kind == "pulse" and rest:
        from .pulse import PulseMicrophone

        return PulseMicrophone(rest, played_by=output if echo_cancellation else None)
    if kind == "fake" and rest:
        from .fake.microphone import FakeMicrophone

        return FakeMicrophone(rest)
    raise MicrophoneLost(f"no driver for microphone {source!r}", "missing")
