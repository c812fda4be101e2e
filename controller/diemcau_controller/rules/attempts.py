"""How long somebody has to wait who keeps giving wrong passwords. Pure: time comes in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

FORGOTTEN_AFTER = timedelta(hours=1)
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(minutes=5)
_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class _Known:
    failures: int
    at: datetime


class Attempts:
    """Counts attempts by key (a name, an address). After `free` of them each doubles the wait for the next.

    Memory is bounded: of more than 20,000 keys the one that was quiet longest is forgotten.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def wait(self, key: str, now: datetime) -> timedelta:
        """How long until this key may try again; zero when it may now."""
        known = self._known.get(key)
        if known is None or known.failures < self._free:
            return timedelta(0)
        doublings = min(known.failures - self._free, 10)
        until = known.at + min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)
        return max(until - now, timedelta(0))

    def count(self, key: str, now: datetime) -> None:
        """An attempt begins. It counts as failed until :meth:`forgive` says otherwise."""
        known = self._known.pop(key, None)
        fresh = known is None or now - known.at > FORGOTTEN_AFTER
        self._known[key] = _Known(1 if known is None or fresh else known.failures + 1, now)
        while len(self._known) > _KEYS:
            self._known.popitem(last=False)

    def forgive(self, key: str) -> None:
        """The attempt succeeded: forget those before it."""
        self._known.pop(key, None)
