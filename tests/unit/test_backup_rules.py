"""Backups: when one is due, which go, what is said about the last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from diemcau_controller.config import Backup, Settings
from diemcau_controller.rules.backups import (
    Standing,
    due,
    file_name,
    last_planned,
    made_at,
    state_of,
    surplus,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
NOON = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)  # 12:00 in Vietnam
NIGHT = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)  # 01:30 in Vietnam

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments)
def test_a_name_says_when(moment: datetime) -> None:
    assert made_at(file_name(moment)) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    "name",
    ["", "diemcau-20261301-000000.backup.age", ".diemcau-20260302-013000.backup.age.part", "diemcau.age"],
)
def test_other_files_are_nobodys_business(name: str) -> None:
    assert made_at(name) is None and surplus([name] * 3, 1) == []


@given(st.lists(moments, unique_by=file_name), st.integers(1, 20))
def test_the_newest_are_kept(made: list[datetime], keep: int) -> None:
    names = [file_name(moment) for moment in made]
    gone = surplus([*names, "notes.txt"], keep)
    stay = set(names) - set(gone)
    assert len(stay) == min(keep, len(names))
    assert not gone or max(gone) < min(stay)


@given(moments)
def test_the_hour_is_that_of_the_office(now: datetime) -> None:
    planned = last_planned(now, "01:30", HANOI)
    assert planned <= now < planned + timedelta(days=1)
    assert f"{planned.astimezone(HANOI):%H:%M}" == "01:30"


@pytest.mark.parametrize(
    ("now", "last", "meeting", "wanted"),
    [
        (NIGHT, None, False, True),
        (NIGHT - timedelta(seconds=1), NIGHT - timedelta(days=1), False, False),
        (NIGHT, NIGHT - timedelta(days=1), False, True),
        (NOON, NIGHT + timedelta(minutes=1), False, False),
        (NOON, NIGHT - timedelta(hours=2), False, True),  # the machine was off at night
        (NOON, NIGHT - timedelta(hours=2), True, False),  # but not beside a meeting
        (NIGHT + timedelta(hours=13), NIGHT - timedelta(hours=2), True, True),  # unless it lasts all day
    ],
)
def test_when_one_is_due(now: datetime, last: datetime | None, meeting: bool, wanted: bool) -> None:
    assert due(now, "01:30", HANOI, last, meeting=meeting) is wanted


@pytest.mark.parametrize(
    ("configured", "last", "error", "standing", "says"),
    [
        (False, None, "", Standing.NONE_CONFIGURED, "set backup.folder"),
        (True, None, "", Standing.NONE_YET, "backup now"),
        (True, NOON - timedelta(hours=24), "", Standing.OK, "2026-03-01 05:00"),
        (True, NOON - timedelta(hours=37), "", Standing.TOO_OLD, "too old"),
        (True, NOON - timedelta(hours=24), "no room", Standing.FAILED, "no room"),
        (True, None, "no room", Standing.FAILED, "there is none"),
    ],
)
def test_what_is_said(
    configured: bool, last: datetime | None, error: str, standing: Standing, says: str
) -> None:
    state = state_of(configured, last, error, NOON)
    assert state.standing is standing and says in state.sentence()


PUBLIC = "age1sq32r3vyckqvvs6rjmdqv07ysvlrqefp7j9uk3zz64ns93vqm53qeg5sfl"


def test_settings() -> None:
    assert Settings().backup.folder == ""
    good = Backup(folder="/mnt/backup", recipients=(PUBLIC,))
    assert (good.at, good.keep) == ("01:30", 14)
    for wrong in (
        {"folder": "/mnt/backup"},
        {"folder": "backup", "recipients": (PUBLIC,)},
        {"folder": "/mnt/backup", "recipients": ("age1no",)},
        {"folder": "/mnt/backup", "recipients": ("AGE-SECRET-KEY-1XX",)},
        {"keep": 0},
        {"at": "25:00"},
    ):
        with pytest.raises(ValidationError):
            Backup.model_validate(wrong)
