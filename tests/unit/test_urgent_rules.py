"""Pure parts of an urgent meeting: how a hall answers, when all are in, the chime, the pace of a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from diemcau_agent.drivers.microphones import BLOCK, RATE_HZ
from diemcau_agent.media.chime import EVERY_S, TONES_HZ, Chime
from diemcau_controller.rules.pace import Pace
from diemcau_controller.rules.standing import Standing
from diemcau_controller.rules.urgent import Answer, answer, complete

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("standing", "session", "connected", "declined", "expected"),
    [
        (Standing.IN_MEETING, None, True, True, Answer.PRESENT),
        (Standing.RECONNECTING, "reconnecting", True, False, Answer.JOINING),
        (Standing.JOINING, "joining", True, False, Answer.JOINING),
        (Standing.ABSENT, "countdown", True, True, Answer.RINGING),
        (Standing.ABSENT, None, True, True, Answer.DECLINED),
        (Standing.ABSENT, None, False, True, Answer.DECLINED),
        (Standing.ABSENT, None, False, False, Answer.UNREACHABLE),
        (Standing.DROPPED, None, False, False, Answer.UNREACHABLE),
        (Standing.DROPPED, None, True, False, Answer.CALLED),
        (Standing.LEFT, None, True, False, Answer.LEFT),
    ],
)
def test_how_a_hall_answers(
    standing: Standing, session: str | None, connected: bool, declined: bool, expected: Answer
) -> None:
    assert answer(standing, session, connected=connected, declined=declined) is expected


def test_all_are_in_when_somebody_is_and_nobody_is_awaited() -> None:
    assert complete([Answer.PRESENT, Answer.DECLINED, Answer.UNREACHABLE])
    assert not complete([Answer.PRESENT, Answer.RINGING])
    assert not complete([Answer.UNREACHABLE])


def test_the_chime_is_gentle_comes_every_five_seconds_and_ends() -> None:
    chime = Chime()
    assert chime.pull() is None
    chime.sound(12)
    blocks = []
    for _ in range(round(12 * RATE_HZ / BLOCK)):
        block = chime.pull()
        blocks.append(np.zeros(BLOCK, np.int16) if block is None else block)
    assert chime.pull() is None
    sound = np.concatenate(blocks).astype(np.float64)
    assert np.abs(sound).max() < 0.35 * 32767
    assert np.abs(np.diff(sound)).max() < 0.1 * 32767, "no click"
    starts = [round(turn * EVERY_S * RATE_HZ) for turn in range(3)]
    for start in starts:
        for place, hertz in enumerate(TONES_HZ):
            at = start + round(place * 0.9 * RATE_HZ)
            spectrum = np.abs(np.fft.rfft(sound[at : at + RATE_HZ // 2]))
            assert abs(np.argmax(spectrum) * 2 - hertz) <= 2
    assert not sound[starts[0] + 2 * RATE_HZ : starts[1]].any()
    chime.sound(30)
    chime.sound(0)
    assert chime.pull() is None


def test_a_hall_may_do_so_much_in_so_much_time() -> None:
    pace = Pace(2, timedelta(minutes=1))
    assert [pace.wait("a", NOW + timedelta(seconds=s)) for s in (0, 10)] == [timedelta(0)] * 2
    assert pace.wait("a", NOW + timedelta(seconds=20)) == timedelta(seconds=40)
    assert pace.wait("b", NOW + timedelta(seconds=20)) == timedelta(0)
    assert pace.wait("a", NOW + timedelta(seconds=60)) == timedelta(0)
    assert pace.wait("a", NOW + timedelta(seconds=61)) == timedelta(seconds=9)
