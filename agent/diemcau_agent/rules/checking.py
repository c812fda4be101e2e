"""When the room is checked: pure.

A check is due 60, 15 and 5 minutes before a meeting opens, in the morning, after power came back when a
meeting is within three hours, after a device was plugged in again, and when somebody asks. One check
answers every reason of the last minutes. None runs while the hall is in a meeting, while an urgent one
rings, or while another event has the hall; none begins that could not come to its end before the meeting
opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, timezone
from typing import Any

from diemcau_wire.messages import EventKind, Occurrence

from diemcau_agent.checks import Finding

from .actions import Action, AskedBy, Emit, EndCheck, StartCheck
from .verdict import CHECKING, Readiness, judge

PLACE = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")  # the same all year; zone tables cost a unit 1 MB
BEFORE = tuple(timedelta(minutes=minutes) for minutes in (60, 15, 5))
NOTICE = timedelta(seconds=5)
"""So long before camera and microphone open for a check the hall is told."""
LIMIT = timedelta(seconds=80)  # with its notice; the verdict is there within 90 s
LEAST = timedelta(seconds=25)  # less time than this is not worth a check
GRACE = timedelta(seconds=5)  # a check that did not even say that its time was over
SAME = timedelta(minutes=3)  # a check that began so recently answers another reason, too
KEPT = timedelta(minutes=30)  # what could not be checked for so long is not made up for
POWER_WITHIN, POWER_FOR = timedelta(hours=3), timedelta(minutes=10)
SETTLE = timedelta(seconds=5)  # a device is plugged in with a wobble
POSTPONED = timedelta(minutes=10)
SHOWN = 20  # findings in an event


@dataclass(frozen=True, slots=True)
class Running:
    """The check that runs, or ran last: why, for which meeting, from when, and when it has to be over."""

    asked_by: AskedBy
    meeting: Occurrence | None
    began: datetime
    until: datetime


class Checking:
    """The checks of one unit. `readiness` is the result of the last one that came to an end, `looks_at` what
    the one that runs is at."""

    def __init__(self) -> None:
        self.readiness = Readiness()
        self.running: Running | None = None
        self.postponed_until: datetime | None = None
        self.looks_at = ""
        self._last: Running | None = None
        self._ended: datetime | None = None
        self._booted: datetime | None = None
        self._plugged: datetime | None = None

    @property
    def shown(self) -> Readiness:
        """What people are told: that a check runs, or the result of the last."""
        return self.readiness if self.running is None else CHECKING

    @property
    def notice_until(self) -> datetime | None:
        """When camera and microphone open for the check that runs; None when none runs."""
        return None if self.running is None else self.running.began + NOTICE

    def look(
        self, now: datetime, meetings: Sequence[Occurrence], *, free: bool, morning_at: str | None
    ) -> list[Action]:
        """Time has passed. `meetings` are those this unit will take part in, `free` says whether the hall is;
        `morning_at` is a time of day there, "07:00"."""
        if self._booted is None:
            self._booted = now
        if self.running is not None:
            if free and now < self.running.until + GRACE:
                return []
            self._ended = now
            return self.end()
        if (
            not free
            or now == self._ended
            or (self.postponed_until is not None and now < self.postponed_until)
        ):
            return []
        self.postponed_until = None
        reason = self._due(now, meetings, morning_at)
        opens_at = opening(meetings, now)
        if reason is None or (opens_at is not None and opens_at - now < LEAST):
            return []
        return self._start(reason, now, meetings)

    def ask(self, by: AskedBy, now: datetime, meetings: Sequence[Occurrence]) -> list[Action]:
        """Somebody asks for one now, in a hall that is free. One that runs serves him, too."""
        if self.running is not None:
            return []
        self.postponed_until = None
        return self._start(by, now, meetings)

    def plugged(self, now: datetime) -> None:
        """A device of the configuration was plugged in again."""
        self._plugged = now

    def postpone_until(self, now: datetime, meetings: Sequence[Occurrence]) -> datetime | None:
        """To when a check would be put off now; None when there is no time for that."""
        until = now + POSTPONED
        opens_at = opening(meetings, now)
        if opens_at is not None:
            until = min(until, opens_at - BEFORE[-1])
        return until if until > now else None

    def postpone(self, now: datetime, meetings: Sequence[Occurrence]) -> tuple[str | None, list[Action]]:
        """Somebody in the hall needs it quiet: why not (or None), and what follows. At most until five
        minutes before a meeting opens."""
        until = self.postpone_until(now, meetings)
        if until is None:
            return "too_late", []
        actions: list[Action] = []
        if self.running is not None:
            actions.append(EndCheck(judge=False))
            self.running = self._last = None
        self.postponed_until = until
        told = until.isoformat(timespec="seconds").replace("+00:00", "Z")
        return None, [*actions, Emit(EventKind.CHECK_POSTPONED, None, {"until": told})]

    def end(self) -> list[Action]:
        """The check has no more time: it is judged by what is known."""
        if self.running is None:
            return []
        self.running = None
        return [EndCheck(judge=True)]

    def checked(self, findings: Iterable[Finding], now: datetime) -> list[Action]:
        """The check is over."""
        self.running = None
        self.readiness = judge(findings)
        data: dict[str, Any] = {
            "verdict": self.readiness.verdict.value,
            "instruction": self.readiness.instruction,
            "findings": [
                {"what": f.what, "text": f.text[:200], "remedy": f.remedy, "mended": f.mended}
                for f in self.readiness.findings[:SHOWN]
            ],
        }
        last, about = self._last, None
        if last is not None:
            data["asked_by"] = last.asked_by.value
            data["took_s"] = round(max(0.0, (now - last.began).total_seconds()), 1)
            soon = last.meeting is not None and last.meeting.opens_at - last.began <= POWER_WITHIN
            about = last.meeting.id if last.meeting is not None and soon else None
        return [Emit(EventKind.VERDICT, about, data)]

    def clock_stepped(self, by: timedelta) -> None:
        """The clock was set: what was remembered moves along."""
        self._booted = self._booted and self._booted + by
        self._plugged = self._plugged and self._plugged + by
        self.postponed_until = self.postponed_until and self.postponed_until + by
        self._last, self.running = (
            running and replace(running, began=running.began + by, until=running.until + by)
            for running in (self._last, self.running)
        )

    def _due(self, now: datetime, meetings: Sequence[Occurrence], morning_at: str | None) -> AskedBy | None:
        if self._plugged is not None and SETTLE <= now - self._plugged < KEPT:
            return AskedBy.PLUGGED
        opens_at = opening(meetings, now)
        just_booted = self._booted is not None and now - self._booted < POWER_FOR and self._last is None
        if just_booted and opens_at is not None and opens_at - now <= POWER_WITHIN:
            return AskedBy.POWER
        marks = [m.opens_at - before for m in meetings if m.opens_at > now for before in BEFORE]
        if any(self._unanswered(mark, now) for mark in marks):
            return AskedBy.BEFORE
        if morning_at is not None:
            mark = datetime.combine(now.astimezone(PLACE), time.fromisoformat(morning_at), PLACE)
            if now - mark < KEPT and self._unanswered(mark, now):
                return AskedBy.MORNING
        return None

    def _unanswered(self, mark: datetime, now: datetime) -> bool:
        """A moment for a check has come, and none has begun since, or shortly before."""
        return mark <= now and (self._last is None or self._last.began < mark - SAME)

    def _start(self, by: AskedBy, now: datetime, meetings: Sequence[Occurrence]) -> list[Action]:
        opens_at = opening(meetings, now)
        until = now + LIMIT if opens_at is None else min(now + LIMIT, opens_at)
        meeting = min(meetings, key=lambda m: (m.opens_at, m.id), default=None)
        self.running = self._last = Running(by, meeting, now, until)
        self._plugged, self.looks_at = None, ""
        return [StartCheck(meeting, (until - now).total_seconds(), by)]


def opening(meetings: Iterable[Occurrence], now: datetime) -> datetime | None:
    """When the next meeting opens."""
    return min((m.opens_at for m in meetings if m.opens_at > now), default=None)
