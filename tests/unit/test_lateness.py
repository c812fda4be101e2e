"""How late a microphone's reader is, and that it is never late for long."""

from __future__ import annotations

from diemcau_agent.drivers.lateness import MOST_S, Lateness
from diemcau_agent.drivers.microphones import BLOCK, RATE_HZ

BLOCK_S = BLOCK / RATE_HZ


def test_who_waits_for_sound_is_not_late() -> None:
    lateness = Lateness(0.0)
    for block in range(1, 100):
        lateness.nothing_waits(block * BLOCK_S - 0.001)
        assert abs(lateness.seconds(block * BLOCK_S)) < 0.002
        lateness.read(BLOCK)


def test_a_second_s_sound_that_comes_in_one_piece_is_not_late() -> None:
    """As from a device that is asked seldom: it may be read at once, or at its own speed."""
    for pause_s in (0.0, BLOCK_S):
        lateness = Lateness(0.0)
        lateness.nothing_waits(1.0)
        for block in range(50):
            assert lateness.seconds(1.005 + block * pause_s) < 0.01
            lateness.read(BLOCK)


def test_a_stall_is_seen_at_once_and_made_up_by_reading_faster() -> None:
    lateness = Lateness(10.0)
    assert lateness.seconds(13.0) == 3.0
    for _ in range(75):
        lateness.read(BLOCK)
    assert abs(lateness.seconds(13.0) - 1.5) < 1e-9


def test_whoever_reads_one_block_of_three_is_never_much_later_than_allowed() -> None:
    """The true age of each block read in a minute, from a source that keeps everything."""
    lateness, ages, samples = Lateness(0.0), [], 0
    for turn in range(1, 1000):
        now = turn * 3 * BLOCK_S
        if lateness.seconds(now) > MOST_S:
            dropped = round((now - BLOCK_S) * RATE_HZ) - samples
            lateness.read(dropped)
            samples += dropped
        ages.append(now - samples / RATE_HZ)
        lateness.read(BLOCK)
        samples += BLOCK
    assert MOST_S - 3 * BLOCK_S < max(ages) <= MOST_S + 1e-9
    assert len([age for age in ages if age < 0.1]) > 50
