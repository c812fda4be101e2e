"""Healthy halls raise no alarm, hard ones neither: thirty of the three hundred of `make lab PART=healthy`."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from .hall_in_process import HallInProcess, check_again, check_all
from .healthy_halls import HARD, hall
from .web_clock import WebClock

pytestmark = pytest.mark.namespace

SEED = 2026
KINDS = [HARD[number // 3 % len(HARD)] if number % 3 == 0 else "ordinary" for number in range(30)]


@pytest.fixture(scope="module")
def halls(tmp_path_factory: pytest.TempPathFactory) -> list[HallInProcess]:
    """Thirty of them, after their checks."""
    folder = tmp_path_factory.mktemp("healthy")
    with WebClock(folder / "clock", off_s=20) as clock:
        made = [
            hall(folder / f"hall-{number}", number, kind, seed=SEED, clock=clock.way, check_room=None)
            for number, kind in enumerate(KINDS)
        ]
        asyncio.run(check_all(made, 12))
        asyncio.run(check_again(made))
    return made


def test_no_alarm(halls: list[HallInProcess]) -> None:
    alarms = [(one.folder.name, one.kind, one.found, one.measured) for one in halls if one.found]
    assert alarms == []


def test_everything_was_measured(halls: list[HallInProcess]) -> None:
    parts = {"camera", "microphone", "tone", "mixer", "line", "screen", "television"}
    parts |= {"disk", "heat", "power", "clock", "load"}
    for one in halls:
        assert set(one.measured) == parts, one.folder.name
    of_tone = Counter(
        "heard" if tone.get("heard") else tone.get("skipped") or tone.get("text") or "not heard"
        for tone in (one.measured["tone"] for one in halls)
    )
    assert of_tone["heard"] >= len(halls) // 2, of_tone
    asked = sum("offset_s" in one.measured["clock"] for one in halls)
    assert asked >= len(halls) // 2, "where the line was there from the beginning, its time was asked for"
    darkest = min(one.measured["camera"]["luma"] for one in halls)
    loudest = max(one.measured["microphone"]["level_db"] for one in halls)
    assert darkest < 30 and loudest > -42, "the hard ones were hard"
