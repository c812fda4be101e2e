"""When somebody is told of rooms that are not ready."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from diemcau_controller.config import ConfigError, load
from diemcau_controller.rules.notices import (
    NotReady,
    Plan,
    Telling,
    addresses_of,
    is_quiet,
    next_try,
    plan_notices,
)

NOW = datetime(2026, 3, 12, 0, 0, tzinfo=UTC)
A, B = "json://a", "json://b"


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


def plan(*not_ready: NotReady, **more: Any) -> Plan:
    values: dict[str, Any] = {"well": (), "told": {}, "last": {}, "quiet": False, **more}
    quiet = values.pop("quiet")
    return plan_notices(not_ready, values["well"], values["told"], values["last"], NOW, quiet=quiet)


def black(site: str = "ea-kiet", **more: Any) -> NotReady:
    return NotReady(
        **{"site": site, "fault": "camera_black", "since": ago(minutes=1), "addresses": (A,)} | more
    )


def test_three_hundred_halls_behind_one_broken_line_make_one_message() -> None:
    halls = [black(f"xa-{number}", fault="line_down") for number in range(300)]
    made = plan(*halls)
    assert [len(one.sites) for one in made.tell] == [300] and len(made.told) == 300


def test_those_that_fail_together_are_waited_for_but_not_for_ever() -> None:
    fresh = black("b", since=ago(seconds=5))
    assert plan(black(), fresh).tell == ()
    assert plan(black(since=ago(minutes=2)), fresh).tell == (Telling(A, "camera_black", ("ea-kiet", "b")),)


def test_a_fault_is_told_once_until_it_changes_or_is_gone() -> None:
    told = {"ea-kiet": ("camera_black", ago(hours=1))}
    assert plan(black(), told=told) == Plan()
    assert plan(black(fault="hot"), told=told).told == {"ea-kiet": "hot"}
    assert plan(well=["ea-kiet", "b"], told=told).forget == ("ea-kiet",)


def test_what_flickers_is_told_seldom() -> None:
    assert plan(black(), told={"ea-kiet": ("hot", ago(minutes=3))}) == Plan()
    assert plan(black(), last={(A, "camera_black"): ago(minutes=3)}) == Plan()
    assert plan(black(addresses=(A, B)), last={(A, "camera_black"): ago(minutes=3)}).told == {}


def test_the_night_is_quiet_unless_a_meeting_is_near() -> None:
    assert plan(black(), quiet=True) == Plan()
    assert plan(black(), black("b", meeting_near=True), quiet=True).told == {"b": "camera_black"}
    hours = time(21), time(6, 30)
    assert [is_quiet(time(hour), *hours) for hour in (5, 7, 20, 21, 23)] == [True, False, False, True, True]
    assert not is_quiet(time(3), time(6), time(6))


def test_an_old_check_and_a_site_nobody_hears_of_are_not_told() -> None:
    assert plan(black(since=ago(hours=13)), black("b", addresses=())) == Plan()
    assert plan(black(since=ago(minutes=-30))).told == {"ea-kiet": "camera_black"}


def test_where_a_fault_is_told() -> None:
    by_area = {"tinh": ("json://tinh",), "xa": ("sms://{phone}", "json://xa")}
    assert addresses_of(("tinh", "xa"), by_area, (A,), "0905 123.456") == ("sms://0905123456", "json://xa")
    assert addresses_of(("tinh", "xa"), by_area, (A,), "") == ("json://xa",)
    assert addresses_of(("tinh", "khac"), by_area, (A,), "") == ("json://tinh",)
    assert addresses_of((), by_area, (A,), "") == (A,)


def test_tries_end() -> None:
    tries = [next_try(number, NOW) for number in range(1, 6)]
    assert [one is None for one in tries] == [False, False, False, True, True]


@pytest.mark.parametrize(
    "section",
    ['urls = ["khong-la-dia-chi"]', 'quiet_from = "9 giờ"', "[notify.areas]\nxa = ['bogus://x']", "sms = 1"],
)
def test_wrong_settings_are_refused_with_their_place(tmp_path: Any, section: str) -> None:
    file = tmp_path / "diemcau.toml"
    file.write_text(f"[notify]\n{section}\n")
    with pytest.raises(ConfigError, match="notify"):
        load(file)
