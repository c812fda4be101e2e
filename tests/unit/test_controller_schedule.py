"""When meetings take place: the wall clock, repeat rules, what is refused."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from diemcau_controller.rules.refusals import Conflict, Invalid
from diemcau_controller.rules.schedule import HORIZON, Busy, Plan, check, conflict, expand

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # Monday, 08:00 in Vietnam


def plan(starts: str = "2026-03-02T08:30", rrule: str | None = None, **changes: object) -> Plan:
    values: dict[str, object] = {
        "id": "m1",
        "title": "Giao ban",
        "starts_local": datetime.fromisoformat(starts),
        "duration": timedelta(hours=1),
        "opens_before": timedelta(minutes=10),
        "overrun": timedelta(minutes=30),
        "rrule": rrule,
        "main_site": "a",
        "sites": ("a", "b"),
    }
    return Plan(**{**values, **changes})  # type: ignore[arg-type]


def starts(made: Plan, zone: ZoneInfo = VIETNAM, now: datetime = NOW) -> list[str]:
    return [f"{time.starts_at:%m-%d %H:%M}" for time in expand(made, zone, now, now + HORIZON)]


def test_once() -> None:
    (found,) = expand(plan(), VIETNAM, NOW, NOW + HORIZON)
    assert found.id == "m1-20260302T083000"
    assert found.opens_at == datetime(2026, 3, 2, 1, 20, tzinfo=UTC)
    assert found.starts_at == datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
    assert found.ends_at == datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
    assert found.cap_at == datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def test_one_that_runs_is_still_there_until_its_cap() -> None:
    assert starts(plan(), now=NOW + timedelta(hours=1, minutes=59)) == ["03-02 01:30"]
    assert starts(plan(), now=NOW + timedelta(hours=2)) == []


def test_every_monday_of_the_horizon() -> None:
    weekly = plan("2026-01-05T08:00", "FREQ=WEEKLY;BYDAY=MO")
    expected = ["03-02 01:00", "03-09 01:00", "03-16 01:00", "03-23 01:00", "03-30 01:00"]
    assert starts(weekly) == expected
    assert starts(plan("2026-01-05T08:00", "RRULE:FREQ=WEEKLY;BYDAY=MO")) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=DAILY;COUNT=2", ["03-02 01:30", "03-03 01:30"]),
        ("FREQ=DAILY;UNTIL=20260304T013000Z", ["03-02 01:30", "03-03 01:30", "03-04 01:30"]),
        ("FREQ=DAILY;UNTIL=20260303T083000", ["03-02 01:30", "03-03 01:30"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", ["03-31 01:30"]),
    ],
)
def test_rules(rule: str, expected: list[str]) -> None:
    assert starts(plan(rrule=rule)) == expected


def test_the_wall_clock_stays_when_clocks_change() -> None:
    daily = plan("2026-03-27T08:00", "FREQ=DAILY;COUNT=4")  # summer time begins on the 29th
    assert starts(daily, BERLIN) == ["03-27 07:00", "03-28 07:00", "03-29 06:00", "03-30 06:00"]


def test_a_time_that_does_not_exist_is_moved_on() -> None:
    assert starts(plan("2026-03-29T02:30"), BERLIN) == ["03-29 01:30"]  # 03:30 by the new clock


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "every monday",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=SECONDLY",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=1,2,3",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;UNTIL=20261399T000000Z",
        "FREQ=DAILY\nRRULE:FREQ=WEEKLY",
        "FREQ=DAILY;BYSETPOS=5",
        "FREQ=WEEKLY;FREQ=DAILY",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;BYMONTHDAY=0",
        "FREQ=DAILY;BYMONTH=２",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;COUNT=1;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;UNTIL=20200101T000000Z",
        "FREQ=DAILY;" + "X" * 600,
    ],
)
def test_rules_that_are_none(rule: str) -> None:
    began = time.monotonic()
    with pytest.raises(Invalid):
        check(plan(rrule=rule or "FREQ="), VIETNAM, NOW)
    assert time.monotonic() - began < 2, "a rule that never comes true must not be searched for ever"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"starts": "2026-03-02T07:30"}, "past"),
        ({"duration": timedelta(0)}, "ends before it starts"),
        ({"duration": -timedelta(hours=1)}, "ends before it starts"),
        ({"duration": timedelta(hours=25)}, "24 hours"),
        ({"sites": ("b",)}, "main site"),
        ({"sites": ("a", "b", "b")}, "twice"),
    ],
)
def test_refused(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(Invalid, match=word):
        check(plan(**wrong), VIETNAM, NOW)  # type: ignore[arg-type]


def test_an_urgent_meeting_may_start_now() -> None:
    check(plan("2026-03-02T07:59:30"), VIETNAM, NOW)


def test_a_conflict_names_meeting_site_and_time() -> None:
    made = plan()
    times = expand(made, VIETNAM, NOW, NOW + HORIZON)

    def busy(site: str, after: int) -> Busy:
        since = times[0].starts_at + timedelta(minutes=after)
        return Busy(site, "Tập huấn", since, since + timedelta(hours=1))

    conflict(made, times, [busy("c", 0), busy("a", 60), busy("a", -60)], VIETNAM)
    with pytest.raises(Conflict, match=r"site b .*“Tập huấn”.* 2026-03-02 09:29"):
        conflict(made, times, [busy("b", 59)], VIETNAM)
