"""So many requests in so much time, by key. Pure: time comes in."""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime, timedelta

_KEYS = 20_000


class Pace:
    """At most `most` in `within`, for each key.

    Memory is bounded: of more than 20,000 keys the one that was quiet longest is forgotten.
    """

    def __init__(self, most: int, within: timedelta) -> None:
        self._most, self._within = most, within
        self._known: OrderedDict[str, deque[datetime]] = OrderedDict()

    def wait(self, key: str, now: datetime) -> timedelta:
        """Take one for `key`: zero when there was one to take, else how long until there is."""
        taken = self._known.pop(key, deque())
        self._known[key] = taken
        while len(self._known) > _KEYS:
            self._known.popitem(last=False)
        while taken and now - taken[0] >= self._within:
            taken.popleft()
        if len(taken) >= self._most:
            return taken[0] + self._within - now
        taken.append(now)
        return timedelta(0)
