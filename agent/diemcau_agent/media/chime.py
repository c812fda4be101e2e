"""The chime of an urgent meeting: two gentle tones, again every five seconds."""

from __future__ import annotations

import numpy as np

from diemcau_agent.drivers.microphones import BLOCK, RATE_HZ, Block

EVERY_S = 5.0
TONES_HZ = (659.3, 523.3)  # E5, C5: a falling third, as a doorbell
_TONE_S, _FADE_S = 0.9, 0.01
_PEAK = 0.3 * 32767


class Chime:
    """The chime for so many blocks of 20 ms as are asked for with :meth:`sound`."""

    def __init__(self) -> None:
        self._strokes: Block = _strokes()
        self._at = self._left = 0

    def sound(self, seconds: float) -> None:
        """Begin, for `seconds`; 0 ends it."""
        self._at, self._left = 0, round(seconds * RATE_HZ / BLOCK)

    def pull(self) -> Block | None:
        """The next 20 ms; None while nothing sounds."""
        if self._left <= 0:
            return None
        self._left -= 1
        at, self._at = self._at, (self._at + BLOCK) % round(EVERY_S * RATE_HZ)
        block = self._strokes[at : at + BLOCK]
        return block if len(block) == BLOCK else None


def _strokes() -> Block:
    """Both tones one after the other, each dying away."""
    at = np.arange(round(_TONE_S * RATE_HZ)) / RATE_HZ
    envelope = np.minimum(at / _FADE_S, 1) * np.exp(-4 * at) * np.minimum((_TONE_S - at) / _FADE_S, 1)
    strokes = [_PEAK * envelope * np.sin(2 * np.pi * hertz * at) for hertz in TONES_HZ]
    return np.round(np.concatenate(strokes)).astype(np.int16)
