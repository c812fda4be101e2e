"""How long a hall's tone was not heard in what another hall played."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from diemcau_controller.demo.voices import RATE_HZ, read_raw, tone_level

BLOCK_S = 0.04  # two packets of sound
_BYTES_S = 2 * RATE_HZ
_HEARD_DB = -50.0
_FAINT_DB = 10.0  # so far below what is usual a block counts as silent


class HeardTone:
    """Listens from now on to a tone in a file of 48 kHz mono s16le that grows as it is played."""

    def __init__(self, played: Path, hertz: int) -> None:
        self._played, self._hertz = played, hertz
        self._start, self._since = played.stat().st_size, time.monotonic()

    @classmethod
    def sounds(cls, played: Path, hertz: int) -> bool:
        """Was it heard in the last half second?"""
        size = played.stat().st_size
        return tone_level(read_raw(played, max(0, size - _BYTES_S // 2), size), hertz) > _HEARD_DB

    def longest_gap(self) -> tuple[float, float]:
        """The longest time (s) in which it was not heard, and for how long was listened.

        What was not played at all while time went on (a player that stood still) counts as silence, and is
        added to the longest: nobody knows where it was.
        """
        passed = time.monotonic() - self._since
        sound = read_raw(self._played, self._start, self._played.stat().st_size)
        size = round(BLOCK_S * RATE_HZ)
        blocks = sound[: len(sound) // size * size].reshape(-1, size)
        levels = np.array([tone_level(block, self._hertz) for block in blocks])
        usual = float(np.median(levels))
        assert usual > _HEARD_DB, f"the tone of {self._hertz} Hz was not heard at all ({usual:.0f} dB)"
        longest = run = 0
        for level in levels:
            run = run + 1 if level < usual - _FAINT_DB else 0
            longest = max(longest, run)
        return longest * BLOCK_S + max(0.0, passed - len(sound) / RATE_HZ), passed
