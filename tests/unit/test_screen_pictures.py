"""Slots: whose picture, whether it is of now, how many were drawn."""

from __future__ import annotations

import os

import pytest
from diemcau_agent.frames import FrameReader, FrameWriter
from diemcau_agent.screen.pictures import FRESH_NS, SPACING_NS, Pictures
from diemcau_agent.screen.show import Slot

A, B = Slot("a", "A"), Slot("b", "B")


class Clock:
    def __init__(self) -> None:
        self.ns = 10**12

    def __call__(self) -> int:
        return self.ns


class Bench:
    """Two slots, a clock that is moved by hand, and a media process."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.pictures = Pictures(self.clock)
        self.writers = self.connect("media")
        self.pictures.assign("m", (A, B))

    def connect(self, source: str) -> list[FrameWriter]:
        writers = [FrameWriter(), FrameWriter()]
        self.pictures.adopt(source, [FrameReader(os.dup(writer.fd)) for writer in writers])
        return writers

    def write(self, slot: int, width: int = 16, height: int = 16, taken_ns: int | None = None) -> None:
        size = width * height
        planes = bytes(size), bytes(size // 4), bytes(size // 4)
        self.writers[slot].write(width, height, planes, self.clock.ns if taken_ns is None else taken_ns)

    def draw(self) -> list[int]:
        """Take and count what is new; the slots it came from."""
        drawn = [slot for slot, _ in self.pictures.poll()]
        for slot in drawn:
            self.pictures.count(slot)
        self.clock.ns += 2 * SPACING_NS
        return drawn


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_each_picture_is_taken_once_and_counted(bench: Bench) -> None:
    bench.write(0)
    bench.write(1)
    assert (bench.draw(), bench.draw()) == ([0, 1], [])
    bench.write(1)
    assert bench.draw() == [1]
    assert bench.pictures.shown() == [("a", 1), ("b", 2)]


def test_a_fast_source_is_taken_at_a_calm_rate(bench: Bench) -> None:
    for _ in range(4):
        bench.write(0)
        bench.pictures.poll()
        bench.clock.ns += SPACING_NS // 2
    bench.write(0)
    assert len(bench.pictures.poll()) == 1


def test_live_for_two_seconds(bench: Bench) -> None:
    assert bench.pictures.live() == (False, False)
    bench.write(0)
    bench.pictures.poll()
    bench.clock.ns += FRESH_NS - 1
    assert bench.pictures.live() == (True, False)
    bench.clock.ns += 2
    assert bench.pictures.live() == (False, False)


def test_an_old_picture_is_never_live_nor_one_from_the_future_for_long(bench: Bench) -> None:
    bench.write(0, taken_ns=bench.clock.ns - FRESH_NS - 1)
    bench.write(1, taken_ns=bench.clock.ns + 10 * FRESH_NS)
    bench.pictures.poll()
    assert bench.pictures.live() == (False, True)
    bench.clock.ns += FRESH_NS + 1
    assert bench.pictures.live() == (False, False)


def test_counts_begin_anew_with_the_site_and_with_the_meeting(bench: Bench) -> None:
    bench.write(0)
    bench.write(1)
    bench.draw()
    bench.pictures.assign("m", (A, A))
    assert bench.pictures.shown() == [("a", 1), ("a", 0)]
    bench.pictures.assign("other", (A, A))
    assert bench.pictures.shown() == [("a", 0), ("a", 0)]
    bench.pictures.assign(None, ())
    assert bench.pictures.shown() == []


def test_an_empty_place_takes_no_picture(bench: Bench) -> None:
    bench.pictures.assign("m", (None, B))
    bench.write(0)
    bench.write(1)
    assert bench.draw() == [1]
    assert bench.pictures.shown() == [("b", 1)]


def test_a_media_process_that_is_gone_takes_its_pictures_with_it(bench: Bench) -> None:
    bench.write(0)
    bench.draw()
    bench.pictures.drop("media")
    assert bench.pictures.live() == (False, False)
    assert not bench.pictures.connected and bench.draw() == []


def test_a_successor_takes_over_before_the_first_is_known_to_be_gone(bench: Bench) -> None:
    bench.write(0)
    bench.draw()
    bench.writers = bench.connect("successor")
    bench.write(0)
    assert bench.draw() == [0]
    bench.pictures.drop("media")
    assert bench.pictures.live()[0], "the end of the first does not touch the second"
    bench.write(0)
    assert bench.draw() == [0]


@pytest.mark.parametrize("size", [(0, 0), (4, 4), (8000, 100)])
def test_a_picture_of_impossible_size_is_refused_and_counted(bench: Bench, size: tuple[int, int]) -> None:
    bench.write(0, *size)
    assert bench.draw() == [] and bench.pictures.refused == 1
    bench.write(0)
    assert bench.draw() == [0]
