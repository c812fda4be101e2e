"""How fast pictures come and how far key frames lie apart, measured from their arrivals. Pure."""

from __future__ import annotations

import itertools
from collections import deque

_WINDOW_S = 5.0
_ENOUGH_S = 1.0
_KEYS = 8


class Pace:
    """Told of every picture by one thread, asked by any. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._arrivals: deque[float] = deque()
        self._keys: deque[float] = deque(maxlen=_KEYS)

    def take(self, now: float, *, key: bool = False) -> None:
        """A picture has come."""
        self._arrivals.append(now)
        while now - self._arrivals[0] > _WINDOW_S:
            self._arrivals.popleft()
        if key:
            self._keys.append(now)

    @property
    def fps(self) -> float | None:
        """Pictures a second over the last 5 s; None before a second has been seen."""
        arrivals = list(self._arrivals)
        if len(arrivals) < 2 or (seen_s := arrivals[-1] - arrivals[0]) < _ENOUGH_S:
            return None
        return round((len(arrivals) - 1) / seen_s, 1)

    @property
    def key_frame_s(self) -> float | None:
        """The longest of the last seconds from key frame to key frame; None before two were seen.

        The first pair is left out when there are more: a camera begins with a key frame out of turn.
        """
        keys = list(self._keys)  # at once: another thread may be adding to them
        gaps = [later - earlier for earlier, later in itertools.pairwise(keys)]
        return round(max(gaps[1:] or gaps), 1) if gaps else None
