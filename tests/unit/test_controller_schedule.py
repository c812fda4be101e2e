"""When meetings take place: the wall clock, repeat rules, what is refused."""

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from diemcau_controller.rules.free_time import next_free
from diemcau_controller.rules.refusals import Invalid
from diemcau_controller.rules.schedule import (
    HORIZON,
    Plan,
    Span,
    announces,
    check,
    check_sites,
    expand,
    overlapping,
    to_utc,
)
from diemcau_controller.rules.simple_repeat import Every, SimpleRepeat, continued, ended_before, simple

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # Monday, 08:00 in Vietnam


def plan(starts: str = "2026-03-02T08:30", rrule: str | None = None, **changes: object) -> Plan:
    values: dict[str, object] = {
        "id": "m1",
        "starts_local": datetime.fromisoformat(starts),
        "duration": timedelta(hours=1),
        "opens_before": timedelta(minutes=10),
        "overrun": timedelta(minutes=30),
        "rrule": rrule,
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
    ],
)
def test_refused(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(Invalid, match=word):
        check(plan(**wrong), VIETNAM, NOW)  # type: ignore[arg-type]


def test_an_urgent_meeting_may_start_now() -> None:
    check(plan("2026-03-02T07:59:30"), VIETNAM, NOW)


def test_sites() -> None:
    check_sites("a", ["a", "b"])
    with pytest.raises(Invalid, match="main site"):
        check_sites("a", ["b"])
    with pytest.raises(Invalid, match="twice"):
        check_sites("a", ["a", "b", "b"])


# ── exceptions ───────────────────────────────────────────────────────────────────────────────────

WEEKLY = "FREQ=WEEKLY;BYDAY=MO"


def moves(**changed: str | None) -> dict[datetime, datetime | None]:
    return {
        datetime.fromisoformat(f"2026{day[1:]}T0830"): datetime.fromisoformat(to) if to else None
        for day, to in changed.items()
    }


def test_a_skipped_date_is_not_held_and_a_moved_one_keeps_its_name() -> None:
    made = plan(rrule=WEEKLY, moves=moves(d0309=None, d0316="2026-03-17T14:00"))
    found = expand(made, VIETNAM, NOW, NOW + timedelta(days=21))
    assert [(one.id, f"{one.starts_at:%m-%d %H:%M}") for one in found] == [
        ("m1-20260302T083000", "03-02 01:30"),
        ("m1-20260316T083000", "03-17 07:00"),
    ]


def test_a_date_moved_into_the_window_from_far_is_found_and_one_moved_out_is_not() -> None:
    made = plan(rrule=WEEKLY, moves=moves(d0316="2026-05-04T10:00", d0330="2026-03-04T10:00"))
    assert starts(made) == ["03-02 01:30", "03-04 03:00", "03-09 01:30", "03-23 01:30"]


def test_a_meeting_held_once_can_be_moved_too() -> None:
    (found,) = expand(plan(moves=moves(d0302="2026-03-03T09:00")), VIETNAM, NOW, NOW + HORIZON)
    assert found.id == "m1-20260302T083000" and found.starts_at == datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
    with pytest.raises(Invalid, match="past"):
        check(plan(moves=moves(d0302="2026-03-01T09:00")), VIETNAM, NOW)


def test_a_plan_must_not_overlap_itself() -> None:
    with pytest.raises(Invalid, match="overlaps itself"):
        check(plan(rrule=WEEKLY, moves=moves(d0309="2026-03-16T09:00")), VIETNAM, NOW)


def test_which_dates_a_rule_announces() -> None:
    made = plan(rrule=WEEKLY, moves=moves(d0309=None))
    assert announces(made, datetime.fromisoformat("2026-03-09T08:30"), VIETNAM)
    assert not announces(made, datetime.fromisoformat("2026-03-09T08:31"), VIETNAM)
    assert announces(plan(), datetime.fromisoformat("2026-03-02T08:30"), VIETNAM)
    assert not announces(plan(), datetime.fromisoformat("2026-03-03T08:30"), VIETNAM)


# ── conflicts ────────────────────────────────────────────────────────────────────────────────────


def span(starts: str, minutes: int = 60) -> Span:
    since = to_utc(datetime.fromisoformat(starts), VIETNAM)
    return Span("m9", "Tập huấn", "m9-x", since, since + timedelta(minutes=minutes))


def test_what_overlaps() -> None:
    times = expand(plan(rrule=WEEKLY), VIETNAM, NOW, NOW + HORIZON)
    touching = [span("2026-03-02T07:30"), span("2026-03-02T09:30")]
    inside = [span("2026-03-16T08:45", 5), span("2026-03-09T07:00", 600)]
    assert overlapping(times, touching) == []
    assert overlapping(times, [*touching, *inside]) == [inside[1], inside[0]]


def test_a_year_of_weekly_meetings_against_many_is_quick() -> None:
    times = expand(plan(rrule=WEEKLY), VIETNAM, NOW, NOW + timedelta(days=366))
    others = [span(f"2026-{month:02}-{day:02}T08:45") for month in range(3, 13) for day in range(1, 29)] * 40
    began = time.monotonic()
    assert len(overlapping(times, others)) == 40 * sum(
        date(2026, month, day).weekday() == 0 for month in range(3, 13) for day in range(1, 29)
    )
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        (["2026-03-02T08:00"], "2026-03-02T09:00"),
        (["2026-03-02T08:00", "2026-03-02T09:30"], "2026-03-02T10:30"),
        ([f"2026-03-02T{hour:02}:00" for hour in range(8, 18)], "2026-03-03T07:00"),
    ],
)
def test_the_next_free_time(taken: list[str], free: str) -> None:
    times = expand(plan(), VIETNAM, NOW, NOW + HORIZON)
    found = next_free(times, [span(one) for one in taken], VIETNAM, NOW, same_day=False)
    assert found == datetime.fromisoformat(free)


def test_friday_evening_goes_over_the_weekend_and_a_rule_stays_on_its_day() -> None:
    full = [span("2026-03-06T06:00", 14 * 60)]
    once = expand(plan("2026-03-06T08:30"), VIETNAM, NOW, NOW + HORIZON)
    assert next_free(once, full, VIETNAM, NOW, same_day=False) == datetime.fromisoformat("2026-03-09T07:00")
    weekly = expand(plan("2026-03-06T08:30", "FREQ=WEEKLY;BYDAY=FR"), VIETNAM, NOW, NOW + HORIZON)
    assert next_free(weekly, full, VIETNAM, NOW, same_day=True) is None
    later = [span("2026-03-13T08:00", 90)]
    assert next_free(weekly, later, VIETNAM, NOW, same_day=True) == datetime.fromisoformat("2026-03-06T09:30")


# ── the choices of the form ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("choice", "rule"),
    [
        (SimpleRepeat(Every.DAY), "FREQ=DAILY"),
        (SimpleRepeat(Every.DAY, count=10), "FREQ=DAILY;COUNT=10"),
        (SimpleRepeat(Every.WEEK, days=("MO", "TH")), "FREQ=WEEKLY;BYDAY=MO,TH"),
        (
            SimpleRepeat(Every.WEEK, days=("MO",), every_weeks=2, count=5),
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;COUNT=5",
        ),
        (SimpleRepeat(Every.MONTH_DAY, month_day=15), "FREQ=MONTHLY;BYMONTHDAY=15"),
        (SimpleRepeat(Every.MONTH_DAY, month_day=-1), "FREQ=MONTHLY;BYMONTHDAY=-1"),
        (
            SimpleRepeat(Every.MONTH_WEEKDAY, nth=-1, weekday="FR", until=date(2026, 12, 31)),
            "FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20261231T235959",
        ),
    ],
)
def test_choices_are_rules_and_back(choice: SimpleRepeat, rule: str) -> None:
    assert choice.rule() == rule
    assert simple(rule) == choice
    check(plan(rrule=rule), VIETNAM, NOW)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=DAILY;BYMONTH=3",
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO",
        "FREQ=MONTHLY;BYMONTHDAY=1,15",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1",
        "FREQ=YEARLY;BYMONTH=9;BYMONTHDAY=2",
        "FREQ=WEEKLY;BYDAY=MO;UNTIL=20261231T000000Z",
    ],
)
def test_a_rule_beyond_the_choices_is_kept_as_it_is(rule: str) -> None:
    assert simple(rule) is None


def test_a_rule_that_names_no_day_has_that_of_its_first_date() -> None:
    tuesday = date(2026, 3, 31)
    assert simple("FREQ=WEEKLY;INTERVAL=2;COUNT=3", tuesday) == SimpleRepeat(
        Every.WEEK, days=("TU",), every_weeks=2, count=3
    )
    assert simple("FREQ=MONTHLY", tuesday) == SimpleRepeat(Every.MONTH_DAY, month_day=31)
    assert simple("FREQ=DAILY", tuesday) == SimpleRepeat(Every.DAY)
    workdays = ("MO", "TU", "WE", "TH", "FR")
    assert simple(f"FREQ=DAILY;BYDAY={','.join(workdays)}") == SimpleRepeat(Every.WEEK, days=workdays)


def test_a_series_cut_in_two() -> None:
    day = datetime.fromisoformat("2026-03-16T08:30")
    rule = "FREQ=WEEKLY;BYDAY=MO;COUNT=5"
    whole = starts(plan(rrule=rule))
    earlier = starts(plan(rrule=ended_before(rule, day)))
    later = starts(plan("2026-03-16T08:30", continued(rule, 2)))
    assert (len(whole), len(earlier)) == (5, 2) and earlier + later == whole
