"""When the room is checked, and when it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from diemcau_agent.checks import Finding
from diemcau_agent.rules.actions import AskedBy, EndCheck, StartCheck
from diemcau_agent.rules.checking import BEFORE, GRACE, KEPT, LEAST, LIMIT, PLACE, Checking, opening
from diemcau_wire.messages import Occurrence
from hypothesis import given, settings
from hypothesis import strategies as st

from .test_agent_session import Driver, at, meeting

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Clock:
    """Lets time pass over the checks of a hall; each check takes half a minute and finds nothing."""

    def __init__(self, *meetings: Occurrence, start: float, morning_at: str | None = None) -> None:
        self.checking, self.meetings, self.morning_at = Checking(), list(meetings), morning_at
        self.now, self.free = at(start), True
        self.began: list[tuple[float, str]] = []

    def until(self, minute: float, step: timedelta = SECOND) -> None:
        while self.now < at(minute):
            self.now += step
            self.tick()

    def tick(self) -> None:
        running = self.checking.running
        if running is not None and self.now >= min(running.until, running.began + 30 * SECOND):
            self.checking.checked([], self.now)
        ahead = [m for m in self.meetings if m.opens_at > self.now]
        actions = self.checking.look(self.now, ahead, free=self.free, morning_at=self.morning_at)
        for action in actions:
            if isinstance(action, StartCheck):
                assert self.checking.running is not None
                minute = round((self.now - at(0)) / MINUTE, 1)
                self.began.append((minute, self.checking.running.asked_by.value))


def test_an_hour_a_quarter_and_five_minutes_before_a_meeting_opens() -> None:
    clock = Clock(meeting(opens=0), start=-170.5)
    clock.until(5)
    assert clock.began == [(-170.5, "power"), (-60, "before"), (-15, "before"), (-5, "before")]


def test_in_the_morning_at_the_halls_time_of_day() -> None:
    clock = Clock(start=-100, morning_at="07:00")  # T0 is 08:00 there
    clock.until(60 * 24, MINUTE)
    assert clock.began == [(-60, "morning"), (60 * 23, "morning")]


def test_two_reasons_at_once_are_one_check() -> None:
    clock = Clock(meeting(opens=0), meeting("n", 2, 90, opens=0), start=-300, morning_at="07:00")
    clock.until(0)
    assert [minute for minute, _ in clock.began] == [-60, -15, -5]


def test_after_power_came_back_only_with_a_meeting_in_three_hours() -> None:
    assert Clock(meeting(opens=0), start=-200).began == []
    far = Clock(meeting(opens=0), start=-200)
    far.until(-189)
    assert far.began == []
    late = Clock(start=-170)
    late.until(-165)
    late.meetings = [meeting(opens=0)]
    late.until(-164)
    assert [reason for _, reason in late.began] == ["power"], "the schedule came after the start"


def test_a_device_that_was_plugged_in_is_checked_five_seconds_later_also_after_a_check() -> None:
    clock = Clock(start=0)
    clock.checking.plugged(clock.now)
    clock.until(0.05)
    assert clock.began == []
    clock.until(0.1)
    assert [reason for _, reason in clock.began] == ["plugged"]
    clock.checking.plugged(clock.now)
    clock.until(2)
    assert len(clock.began) == 2


def test_what_could_not_be_checked_for_half_an_hour_is_let_be() -> None:
    clock = Clock(start=-61, morning_at="07:00")
    clock.free = False
    clock.until(-35, MINUTE)
    clock.free = True
    clock.until(-34)
    assert len(clock.began) == 1, "the hall was taken for 25 minutes"
    clock = Clock(start=-61, morning_at="07:00")
    clock.free = False
    clock.until(-60 + KEPT / MINUTE)
    clock.free = True
    clock.until(0)
    assert clock.began == []


def test_postponed_by_ten_minutes_and_at_most_until_five_before_the_meeting() -> None:
    clock = Clock(meeting(opens=0), start=-60.1)
    clock.until(-59.9)
    assert clock.checking.running is not None
    refused, actions = clock.checking.postpone(clock.now, clock.meetings)
    assert refused is None and actions[0] == EndCheck(judge=False)
    clock.until(-20)
    assert [minute for minute, _ in clock.began][1:] == [-49.9]
    clock.until(-14.9)
    assert clock.checking.postpone(clock.now, clock.meetings)[0] is None
    clock.until(-5.5)
    assert len(clock.began) == 3
    clock.until(-4.9)
    assert clock.began[-1][0] == -5
    assert clock.checking.postpone(clock.now, clock.meetings) == ("too_late", [])


def test_who_asks_does_not_wait() -> None:
    clock = Clock(start=0)
    clock.checking.postpone(clock.now, [])
    (start,) = clock.checking.ask(AskedBy.HALL, clock.now, [])
    assert start == StartCheck(None, LIMIT.total_seconds(), AskedBy.HALL)
    assert clock.checking.ask(AskedBy.PAGE, clock.now, []) == [], "the one that runs serves him too"


def test_the_event_says_why_how_long_and_what_was_mended() -> None:
    checking = Checking()
    one = meeting(opens=0)
    checking.ask(AskedBy.PAGE, at(-30), [one])
    found = [Finding("sound_muted", "muted", "unmute_sound", True), Finding("camera_slow", "5")]
    (event,) = checking.checked(found, at(-29.5))
    assert event.meeting == "m" and event.data == {
        "verdict": "remark",
        "instruction": "camera_slow",
        "findings": [
            {"what": "camera_slow", "text": "5", "remedy": "", "mended": None},
            {"what": "sound_muted", "text": "muted", "remedy": "unmute_sound", "mended": True},
        ],
        "asked_by": "page",
        "took_s": 30,
    }


def test_no_check_in_a_meeting_nor_in_a_held_hall() -> None:
    held = meeting("h", 0, 60, opens=2, mode="in_person", join=None)
    driver = Driver(held, meeting("n", 70, 90), start=-1)
    driver.until(59.9, 5)
    assert not any(isinstance(action, StartCheck) for action in driver.actions)
    assert driver.session.postpone_check(driver.now) == ("held", [])


STEPS = st.lists(
    st.one_of(
        st.integers(1, 4000).map(lambda s: ("wait", s)),
        st.sampled_from(["free", "taken", "plugged", "ask", "postpone", "hangs"]).map(lambda w: (w, 0)),
        st.integers(-3, 3).map(lambda h: ("clock", h)),
        st.lists(st.integers(-30, 400), max_size=3).map(lambda m: ("meetings", m)),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_whatever_happens(steps: list[tuple[str, Any]]) -> None:
    """Never beside something else, never without time for it, never two within a minute unasked, and in a
    free hall with time never a meeting without a check in its last hour."""
    clock = Clock(start=-400, morning_at="07:00")
    last: datetime | None = None
    hangs = False
    for what, value in steps:
        asked = False
        match what:
            case "wait":
                clock.now += value * SECOND
            case "free" | "taken":
                clock.free = what == "free"
            case "plugged":
                clock.checking.plugged(clock.now)
                asked = True
            case "ask":
                if clock.free:
                    ahead = [m for m in clock.meetings if m.opens_at > clock.now]
                    if clock.checking.ask(AskedBy.PAGE, clock.now, ahead):
                        last = clock.now
            case "postpone":
                if clock.checking.postpone(clock.now, clock.meetings)[0] is None:
                    asked = True
            case "hangs":
                hangs = not hangs
            case "clock":
                clock.checking.clock_stepped(timedelta(hours=value))
                clock.now += timedelta(hours=value)
                last = last and last + timedelta(hours=value)
            case "meetings":
                minute = (clock.now - at(0)) / MINUTE
                clock.meetings = [
                    meeting(f"m{i}", minute + m, minute + m + 60, 0) for i, m in enumerate(sorted(set(value)))
                ]
        running = clock.checking.running
        if running is not None and not hangs and clock.now >= running.began + 30 * SECOND:
            clock.checking.checked([], clock.now)
        ahead = [m for m in clock.meetings if m.opens_at > clock.now]
        actions = clock.checking.look(clock.now, ahead, free=clock.free, morning_at="07:00")
        for action in actions:
            if isinstance(action, StartCheck):
                assert clock.free
                left = opening(ahead, clock.now)
                assert left is None or left - clock.now >= LEAST
                assert action.limit_s <= LIMIT.total_seconds()
                reason = clock.checking.running and clock.checking.running.asked_by
                since = None if last is None else clock.now - last
                assert (
                    asked or reason is AskedBy.PLUGGED or since is None or since > MINUTE or since < -MINUTE
                )
                last = clock.now
        assert clock.checking.look(clock.now, ahead, free=clock.free, morning_at="07:00") == []
        if not clock.free:
            assert clock.checking.running is None
        if clock.free and clock.checking.running is None and clock.checking.postponed_until is None and ahead:
            soon = opening(ahead, clock.now)
            assert soon is not None
            if LEAST <= soon - clock.now <= BEFORE[0] and not actions:
                assert clock.checking._last is not None


@pytest.mark.parametrize("morning_at", ["00:00", "23:59"])
def test_any_time_of_day_can_be_the_morning(morning_at: str) -> None:
    checking = Checking()
    hour, minute = map(int, morning_at.split(":"))
    now = datetime(2026, 3, 12, hour, minute, 1, tzinfo=PLACE).astimezone(UTC)
    assert checking.look(now, [], free=True, morning_at=morning_at)


def test_the_verdict_is_there_within_ninety_seconds() -> None:
    assert timedelta(seconds=90) >= LIMIT + GRACE
