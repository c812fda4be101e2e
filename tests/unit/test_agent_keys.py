"""What keys mean: taps, a stop that is held, and keys that are stuck."""

import pytest
from diemcau_agent.rules.keys import HOLD_S, MEANING, Keys, Press
from hypothesis import given
from hypothesis import strategies as st

ONE, ZERO, FULL_STOP = 79, 82, 52


@pytest.mark.parametrize(("code", "press"), [(c, p) for c, p in MEANING.items() if p is not Press.STOP])
def test_a_tap_counts_when_it_is_let_go(code: int, press: Press) -> None:
    keys = Keys()
    assert keys.event(code, 1, 10.0) is None and keys.tick(10.1) is None
    assert keys.event(code, 2, 10.2) is None, "a repeat is nothing"
    assert keys.event(code, 0, 10.4) is press


def test_a_stuck_key_does_nothing_and_others_still_work() -> None:
    keys = Keys()
    keys.event(ONE, 1, 0)
    assert [keys.event(ONE, 2, at / 10) or keys.tick(at / 10) for at in range(600)] == [None] * 600
    keys.event(80, 1, 61)
    assert keys.event(80, 0, 61.2) is Press.MUTE
    assert keys.event(ONE, 0, 62) is None, "something lay on it"
    assert keys.event(ONE, 0, 63) is None, "one that was down at the opening"


def test_a_stop_is_held_and_counts_once() -> None:
    keys = Keys()
    keys.event(ZERO, 1, 0)
    assert keys.holding and keys.tick(HOLD_S - 0.01) is None
    assert keys.tick(HOLD_S) is Press.STOP and not keys.holding
    assert keys.tick(30) is None and keys.event(ZERO, 0, 31) is None
    keys.event(ZERO, 1, 40)
    assert keys.event(ZERO, 0, 41) is None, "a tap on it is nothing"
    keys.event(FULL_STOP, 1, 50)
    assert keys.event(FULL_STOP, 0, 52.5) is Press.STOP, "held long enough, though nobody looked meanwhile"
    assert keys.tick(60) is None


@given(st.lists(st.tuples(st.integers(0, 0x2FF), st.integers(-1, 3), st.floats(0, 5))))
def test_whatever_comes_presses_are_never_more_than_keys_let_go_or_held(
    events: list[tuple[int, int, float]],
) -> None:
    keys, now, presses, ends = Keys(), 0.0, 0, 0
    for code, value, later in events:
        now += later
        presses += keys.tick(now) is not None
        presses += keys.event(code, value, now) is not None
        ends += value in (0, 1) and code in MEANING
    assert presses <= ends
