"""When work on a unit may go on: never near a meeting it knows of, whatever the clock and the power do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from diemcau_agent.rules import lease
from diemcau_agent.rules.lease import (
    AFTER,
    BEFORE,
    FRESH_S,
    LONGEST_S,
    SLACK,
    Agenda,
    Go,
    Lease,
    Planned,
    Wait,
)
from diemcau_wire.messages import Mode

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # Monday 08:00 in the hall
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def meeting(opens: timedelta, lasts: timedelta = HOUR, *, name: str = "m", mode: Mode = Mode.HERE) -> Planned:
    ends_at = NOW + opens + lasts
    return Planned(id=name, opens_at=NOW + opens, ends_at=ends_at, cap_at=ends_at + 2 * HOUR, mode=mode)


def agenda(*meetings: Planned, **more: object) -> Agenda:
    return Agenda.model_validate(
        {"written_at": NOW, "boot": "b1", "until": NOW + timedelta(days=30), "meetings": meetings, **more}
    )


def may(given: Agenda | None, at: datetime, work_s: float, **more: Any) -> Go | Wait:
    """Long after the start of the machine in which the agenda was written."""
    return lease.may(given, at, work_s, **{"boot": "b1", "booted_s": 9e4, **more})


def why(given: Agenda | None, at: datetime = NOW, work_s: float = 300) -> str:
    answer = may(given, at, work_s)
    return "go" if isinstance(answer, Go) else answer.why


def test_an_empty_agenda_is_free_until_the_work_is_over() -> None:
    assert may(agenda(), NOW, 300) == Go(NOW + 5 * MINUTE)


def test_what_is_not_known_is_waited_for() -> None:
    assert why(None) == "agenda"
    assert why(agenda(until=None)) == "agenda"  # no schedule has come yet
    assert why(agenda(until=NOW + HOUR)) == "agenda"  # one that is used up
    assert why(agenda(clock_ok=False)) == "clock"
    assert why(agenda(), NOW - HOUR) == "clock"  # before what was written
    assert why(agenda(left_at=NOW + HOUR)) == "clock"


def test_after_a_start_the_clock_counts_once_the_unit_process_has_looked() -> None:
    """It may have been lost with the power, and what was written before says that it is right."""
    assert may(agenda(), NOW, 60, boot="b2", booted_s=FRESH_S - 1) == Wait("clock")
    assert isinstance(may(agenda(boot="b2"), NOW, 60, boot="b2", booted_s=5), Go)
    assert isinstance(may(agenda(), NOW, 60, boot="b2", booted_s=FRESH_S), Go)  # it is dead: as written
    assert may(agenda(boot=""), NOW, 60, boot="b2", booted_s=5) == Wait("clock")


def test_the_work_has_to_fit_before_the_meeting() -> None:
    near = agenda(meeting(BEFORE + SLACK + 10 * MINUTE))
    assert why(near, work_s=9 * 60) == "go"
    assert why(near, work_s=10 * 60) == "meeting"
    assert why(near, work_s=LONGEST_S) == "meeting"


def test_from_ninety_minutes_before_to_fifteen_after() -> None:
    one = agenda(meeting(3 * HOUR, mode=Mode.ELSEWHERE))
    for at, said in (
        (3 * HOUR - BEFORE - SLACK - 6 * MINUTE, "go"),
        (3 * HOUR - BEFORE, "meeting"),
        (4 * HOUR + AFTER, "meeting"),
        (4 * HOUR + AFTER + SLACK + MINUTE, "go"),
    ):
        assert why(one, NOW + at) == said, at


def test_an_overrun_is_waited_for_until_the_unit_has_left() -> None:
    running = agenda(meeting(-2 * HOUR, HOUR), in_meeting="m")
    answer = may(running, NOW, 60)
    assert answer == Wait("meeting", "m", NOW + 5 * MINUTE)
    rebooted = agenda(meeting(-2 * HOUR, HOUR))  # back in it within seconds
    assert why(rebooted) == "meeting"
    left = agenda(left_at=NOW)
    assert why(left, NOW + AFTER) == "meeting"
    assert why(left, NOW + AFTER + SLACK + MINUTE) == "go"
    dead = agenda(meeting(-2 * HOUR, HOUR), in_meeting="m")  # the unit process died in it
    assert why(dead, NOW + HOUR + AFTER) == "meeting"
    assert why(dead, NOW + HOUR + AFTER + SLACK + MINUTE) == "go"


def test_a_meeting_that_was_withdrawn_under_the_unit_holds_it_no_longer_than_others() -> None:
    gone = agenda(in_meeting="other")
    assert why(gone) == "meeting"
    assert why(gone, NOW + HOUR) == "go"


def test_one_works_at_a_time_and_a_lease_lapses() -> None:
    held = Lease(holder="rollout-1", until=NOW + 10 * MINUTE)
    assert may(agenda(), NOW, 60, held=held, holder="rollout-2") == Wait("taken", None, held.until)
    assert isinstance(may(agenda(), NOW, 60, held=held, holder="rollout-1"), Go)
    assert isinstance(may(agenda(), NOW + HOUR, 60, held=held, holder="rollout-2"), Go)
    absurd = Lease(holder="rollout-1", until=NOW + timedelta(days=300))  # by a clock that was wrong
    assert isinstance(may(agenda(), NOW, 60, held=absurd, holder="rollout-2"), Go)


def test_a_check_is_not_cut_short() -> None:
    assert why(agenda(checking_until=NOW + MINUTE)) == "checking"
    assert why(agenda(checking_until=NOW - MINUTE)) == "go"


def test_an_all_day_meeting_says_when_to_ask_again() -> None:
    answer = may(agenda(meeting(timedelta(0), 9 * HOUR)), NOW, 300)
    assert isinstance(answer, Wait)
    assert answer.again_at == NOW + 9 * HOUR + AFTER + SLACK


@pytest.mark.parametrize("work_s", [0, 1, 10**9])
def test_any_amount_of_work_is_answered(work_s: float) -> None:
    assert isinstance(may(agenda(), NOW, work_s), Go)
