"""The meetings of this hall as its unit sees them: which one to be in, what is ahead, when one is over."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from diemcau_wire.messages import Occurrence

from . import schedule

COUNTDOWN = timedelta(minutes=15)
MAIN_GONE = timedelta(minutes=10)
_OVER_KEPT = 200


class Agenda:
    """What the schedule says to site `me` (None: this unit serves none yet). `meetings` are all that concern
    its hall, `here` those it takes part in, `over` the ids of those it has left for good; its room is checked
    each day at `morning_at`, as "07:00"."""

    def __init__(self) -> None:
        self.me: str | None = None
        self.meetings: Sequence[Occurrence] = ()
        self.here: Sequence[Occurrence] = ()
        self.morning_at: str | None = None
        self.over: list[str] = []

    def take(self, me: str | None, meetings: Sequence[Occurrence], morning_at: str | None) -> None:
        """There is another schedule, or another site."""
        self.me, self.morning_at = me, morning_at
        self.meetings = meetings if me is not None else ()
        self.here = schedule.here(self.meetings)

    def newest(self, meeting: Occurrence) -> Occurrence:
        """A meeting as it is announced now; as it was when it is announced no more."""
        return next((m for m in self.meetings if m.id == meeting.id), meeting)

    def leave(self, meeting: str) -> None:
        """This hall has left a meeting for good."""
        self.over = [*self.over[-_OVER_KEPT:], meeting]

    def holding(self, now: datetime) -> Occurrence | None:
        """The meeting elsewhere or in person that has this hall."""
        return schedule.holding(self.meetings, now)

    def ahead(self, now: datetime) -> list[Occurrence]:
        """The meetings this unit will take part in."""
        return [m for m in self.here if m.opens_at > now and not m.closed and m.id not in self.over]

    def attend(self, now: datetime, kept: str | None, declined: Collection[str]) -> Occurrence | None:
        """The meeting to be in at `now`; of several the one that is `kept` already."""
        return schedule.attend(self.here, now, kept, [*self.over, *declined])

    def near(self, now: datetime, kept: str | None, declined: Collection[str]) -> Occurrence | None:
        """The meeting to be in at `now`, or the one to count down to."""
        open_now = self.attend(now, kept, declined)
        return open_now or schedule.upcoming(self.here, now, COUNTDOWN, [*self.over, *declined])

    def why_over(
        self, meeting: Occurrence | None, main_seen_at: datetime | None, now: datetime
    ) -> str | None:
        """Why the meeting this unit is in is over for it, None while it is not. `main_seen_at`: when the last
        picture of the main site came."""
        if meeting is None or all(m.id != meeting.id for m in self.here):
            return "withdrawn"
        if meeting.closed:
            return "closed"
        if now >= meeting.cap_at:
            return "cap"
        since = max(meeting.ends_at, main_seen_at or meeting.ends_at)
        if self.me != meeting.main_site and now - since >= MAIN_GONE:
            return "main_site_gone"
        return None
