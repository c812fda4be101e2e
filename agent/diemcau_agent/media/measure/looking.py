"""What pictures of a camera have in common, and what changes: pure."""

from __future__ import annotations

import itertools
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

EVERY = 4  # of the pixels in each direction that are compared
BLOCK = 8  # of those, a side of what is averaged against noise
SETTLED_S = 1.2  # a camera needs so long to get used to the light
KEEP_EVERY_S = 0.3
MOVED_LUMA = 6.0
MOST_KEPT = 48


class Looking:
    """Takes decoded pictures with the time they came, in seconds, and says what they are like."""

    def __init__(self) -> None:
        self._key_print: int | None = None
        self._kept: list[tuple[float, Luma]] = []
        self._last: Luma | None = None
        self._first_at = self._last_at = self._new_at = 0.0
        self._motion = 0.0
        self._keys_since_new = 0
        self.pictures = 0
        self.size = 0, 0

    def take(self, luma: Luma, at_s: float, *, key: bool) -> None:
        """The next picture. `key`: it was made without looking at the one before, and is compared with the
        last one made so; what a coder does in between says nothing."""
        self.pictures += 1
        self._first_at = at_s if self.pictures == 1 else self._first_at
        self._last_at = at_s
        if key:
            was, self._key_print = self._key_print, zlib.crc32(luma.tobytes())
            if self._key_print != was:
                self._new_at, self._keys_since_new = at_s, 0
            else:
                self._keys_since_new += 1
        sample = luma[::EVERY, ::EVERY].copy()
        if self._last is not None and self._last.shape == sample.shape:
            self._motion = max(self._motion, float(np.abs(sample.astype(np.int16) - self._last).mean()))
        self._last, self.size = sample, (luma.shape[1], luma.shape[0])
        due = not self._kept or at_s - self._kept[-1][0] >= KEEP_EVERY_S
        if due and len(self._kept) < MOST_KEPT:
            self._kept.append((at_s, sample))

    @property
    def stale_s(self) -> float:
        """How long every key picture was the same, as of the last picture."""
        return self._last_at - self._new_at

    @property
    def decided(self) -> bool:
        """Looking longer would not say more about whether it stands still."""
        return not self._keys_since_new or (self.stale_s >= 2 and self._keys_since_new >= 3)

    def values(self) -> dict[str, Any]:
        """Size, brightness, what stands still and what moves (`moving`: share of the picture)."""
        found: dict[str, Any] = {"pictures": self.pictures, "width": self.size[0], "height": self.size[1]}
        if not self.pictures:
            return found
        kept = [sample for at, sample in self._kept if at - self._first_at >= SETTLED_S]
        same = [sample for sample in kept or [self._kept[-1][1]] if sample.shape == self._kept[-1][1].shape]
        mean: NDArray[np.float64] = np.mean(same, axis=0)
        blocks = [_blocks(sample) for sample in same]
        moves = [_moved(b - a) for a, b in itertools.pairwise(blocks)]
        return found | {
            "seconds": round(self._last_at - self._first_at, 2),
            "luma": round(float(mean.mean()), 1),
            "brightest": round(float(np.percentile(mean, 99.9)), 1),
            "structure": round(float(_blocks(mean).std()), 2),
            "stale_s": round(self.stale_s, 2),
            "stale_keys": self._keys_since_new,
            "motion": round(self._motion, 3),
            "moving": round(max(moves, default=0.0), 4),
        }


def _moved(difference: NDArray[np.float64]) -> float:
    """The share that became lighter or darker otherwise than most did: lamps flicker on all of it."""
    return float((np.abs(difference - np.median(difference)) > MOVED_LUMA).mean())


def _blocks(sample: NDArray[Any]) -> NDArray[np.float64]:
    """Means of blocks; what does not fill one is left out. A picture smaller than a block is one."""
    height, width = (side // BLOCK * BLOCK for side in sample.shape)
    if not height or not width:
        return np.array([[sample.mean()]])
    shape = (height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return np.asarray(sample[:height, :width].reshape(shape).mean(axis=(1, 3)), dtype=np.float64)
