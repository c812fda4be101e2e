"""The media process of a meeting as the session sees it: started, joined, silent, failed, tried again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

JOIN_LIMIT = timedelta(seconds=20)
SILENT_MEDIA = timedelta(seconds=8)
STEADY = timedelta(seconds=30)  # a connection that held this long forgives earlier faults
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 8.0
_INSTANTS = ("started_at", "_joined_at", "_retry_at", "_heard_at")


class Connection:
    """One after the other, for one meeting. `started_at` is None while none should run; `failures` counts
    those in a row; `join_failed` is true once joining this meeting failed. `chance` gives numbers in [0, 1);
    `restart` False means one that ended stays ended."""

    def __init__(self, *, chance: Callable[[], float], restart: bool) -> None:
        self._chance, self._restart = chance, restart
        self.started_at: datetime | None = None
        self.failures = 0
        self.join_failed = False
        self._joined_at: datetime | None = None
        self._retry_at: datetime | None = None
        self._heard_at: datetime | None = None

    def start(self, now: datetime) -> None:
        """A fresh one is started."""
        self.started_at, self._retry_at = now, None

    def hear(self, now: datetime) -> None:
        """It gave a sign of life."""
        self._heard_at = now

    def join(self, now: datetime) -> None:
        """It is in the room."""
        self._joined_at, self.join_failed = now, False

    def problem(self, now: datetime, *, joined: bool) -> str | None:
        """Why the one that runs has to be replaced, None when it need not be."""
        if self.started_at is None:
            return None
        if joined and self._heard_at is not None and now - self._heard_at > SILENT_MEDIA:
            return "media_silent"
        if not joined and now - self.started_at > JOIN_LIMIT:
            return "join_timeout"
        return None

    def fail(self, now: datetime, *, anyway: bool) -> None:
        """It failed. The next is tried after a pause, longer each time; `anyway`: even without `restart`."""
        if self._joined_at is not None and now - self._joined_at >= STEADY:
            self.failures = 0
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 4 ** min(self.failures, 5)) * (0.5 + self._chance())
        self.failures += 1
        self.started_at = self._joined_at = None
        self._retry_at = now + timedelta(seconds=pause_s) if self._restart or anyway else None

    def due(self, now: datetime) -> bool:
        """True when a fresh one should be started."""
        return self.started_at is None and self._retry_at is not None and now >= self._retry_at

    def end(self) -> None:
        """None should run any more."""
        self.started_at = self._joined_at = self._retry_at = None

    def forget(self) -> None:
        """Another meeting begins anew."""
        self.failures, self.join_failed, self._heard_at = 0, False, None

    def clock_stepped(self, by: timedelta) -> None:
        """The clock was set: what was remembered moves along."""
        for name in _INSTANTS:
            instant = getattr(self, name)
            if instant is not None:
                setattr(self, name, instant + by)
