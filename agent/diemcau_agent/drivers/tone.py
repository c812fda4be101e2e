"""A microphone that hears one tone, so that a machine can tell who is heard."""

from __future__ import annotations

import numpy as np

from .microphones import BLOCK, RATE_HZ, Block, MicrophoneLost, PlainMicrophone
from .pacing import Pacer

_PEAK = 0.1 * 32767 * np.sqrt(2)  # an effective value of -20 dBFS


class Tone(PlainMicrophone):
    """A sine of `hertz` (20 to 20000) at -20 dBFS."""

    def __init__(self, hertz: str) -> None:
        if not hertz.isdecimal() or not 20 <= int(hertz) <= 20_000:
            raise MicrophoneLost(f"a tone is 20 to 20000 Hz, not {hertz!r}", "missing")
        # One second holds a whole number of periods, so it can be repeated without a click.
        phase = 2 * np.pi * int(hertz) * np.arange(RATE_HZ) / RATE_HZ
        self._second: Block = np.round(_PEAK * np.sin(phase)).astype(np.int16)
        self._at = 0
        self._pacer = Pacer(BLOCK / RATE_HZ)

    def read(self) -> Block:
        """The next 20 ms."""
        self._pacer.wait()
        block = self._second[self._at : self._at + BLOCK]
        self._at = (self._at + BLOCK) % RATE_HZ
        return block

    def close(self) -> None:
        """Nothing to let go."""
