"""The air between a fake loudspeaker and a fake microphone: the last ten seconds of sound, with their time.

A file beside the loudspeaker's, `PATH.played`: the time of its first sample (monotonic, ns) and how many
samples have been written, as two 64-bit integers, then a ring of 48 kHz mono s16le.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..microphones import BLOCK, RATE_HZ, Block

_HEAD = struct.Struct("<qq")
_SAMPLES = 10 * RATE_HZ


class Room:
    """One end of it. While nobody has ever played there is silence."""

    def __init__(self, path: Path, *, played_in: bool) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, _HEAD.size + 2 * _SAMPLES)
            self._map = mmap.mmap(descriptor, _HEAD.size + 2 * _SAMPLES)
        finally:
            os.close(descriptor)
        self._ring = np.frombuffer(self._map, np.int16, offset=_HEAD.size)
        if played_in:
            _HEAD.pack_into(self._map, 0, 0, 0)

    @classmethod
    def of(cls, loudspeaker: str) -> Self:
        """What the loudspeaker with this JSON file plays, to hear it."""
        return cls(Path(f"{loudspeaker}.played"), played_in=False)

    def play(self, block: Block, now_ns: int) -> None:
        """From now on this is heard, after what was played before."""
        began, written = _HEAD.unpack_from(self._map, 0)
        if written == 0:
            began = now_ns
        at = written % _SAMPLES  # a whole number of blocks fits
        self._ring[at : at + BLOCK] = block
        _HEAD.pack_into(self._map, 0, began, written + BLOCK)

    def heard(self, until_ns: int) -> Block:
        """The 960 samples that end at a time; silence where nothing was played."""
        began, written = _HEAD.unpack_from(self._map, 0)
        samples: NDArray[np.int64] = (until_ns - began) * RATE_HZ // 1_000_000_000 + np.arange(-BLOCK, 0)
        there = (samples >= max(0, written - _SAMPLES)) & (samples < written)
        return np.where(there, self._ring[samples % _SAMPLES], 0).astype(np.int16)

    def close(self) -> None:
        """Leave it."""
        del self._ring
        self._map.close()
