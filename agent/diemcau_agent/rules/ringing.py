"""The call of an urgent meeting: it rings in the hall for 60 s, then it is joined, unless the hall declines.

A hall that hears of it late is still told for as long before its camera opens. Of several urgent meetings
the one that starts last calls: whoever called it knew of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from diemcau_wire.messages import Occurrence

RING = timedelta(seconds=60)


class Ringing:
    """Which urgent meeting rings, until when, and which ones the hall declined.

    `meeting` is the one that rings now, or None; `declined` holds ids.
    """

    def __init__(self, declined: Iterable[str] = ()) -> None:
        self.meeting: Occurrence | None = None
        self.declined: set[str] = set(declined)
        self._until: dict[str, datetime] = {}

    def look(self, meetings: Iterable[Occurrence], now: datetime, answered: Collection[str]) -> bool:
        """Find out which one rings at `now`; True when that is another than before.

        `answered`: the meetings that need not ring, because this unit is, was or has been in them.
        """
        before = self.meeting
        calling = urgent(meetings, now)
        if calling is not None and (calling.id in answered or calling.id in self.declined):
            calling = None
        if calling is not None and now >= self._ring_until(calling, now):
            calling = None
        self.meeting = calling
        return (before.id if before else None) != (calling.id if calling else None)

    def until(self, meeting: Occurrence) -> datetime | None:
        """When `meeting` has rung long enough; None when it never rang here."""
        return self._until.get(meeting.id)

    def over(self, meeting: Occurrence, now: datetime) -> bool:
        """It rang, and long enough."""
        until = self._until.get(meeting.id)
        return until is not None and now >= until

    def decline(self) -> None:
        """The hall says no to the one that rings."""
        if self.meeting is not None:
            self.declined.add(self.meeting.id)
            self.meeting = None

    def again(self, meeting: str) -> None:
        """Have one that was declined ring again."""
        self.declined.discard(meeting)
        self._until.pop(meeting, None)

    def clock_stepped(self, by: timedelta) -> None:
        """The clock was set: what was remembered moves along."""
        self._until = {meeting: until + by for meeting, until in self._until.items()}

    def _ring_until(self, meeting: Occurrence, now: datetime) -> datetime:
        return self._until.setdefault(meeting.id, max(meeting.starts_at, now + RING))


def urgent(meetings: Iterable[Occurrence], now: datetime) -> Occurrence | None:
    """The urgent meeting that goes before everything else at `now`: of those open, the last to start."""
    calling = [m for m in meetings if m.urgent and not m.closed and m.starts_at - RING <= now < m.cap_at]
    return max(calling, key=lambda m: (m.starts_at, m.id), default=None)
