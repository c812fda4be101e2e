"""The pure parts of the media process: slots, watchdog, time line, judgement, mixing, parsing."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from aiortc.rtp import RtpPacket
from diemcau_agent.drivers.cameras import fit
from diemcau_agent.drivers.coded_stream import nal_types
from diemcau_agent.drivers.microphones import BLOCK
from diemcau_agent.ipc import Garbage
from diemcau_agent.media.faults import Fault, fault_in
from diemcau_agent.media.h264 import KeyFrameBudget, TimeLine
from diemcau_agent.media.janus import JanusLost, JanusRefused
from diemcau_agent.media.mixing import Voice, decibels, mix
from diemcau_agent.media.orders import Floor, Start, parse_order
from diemcau_agent.media.room import Feed, Publishers, parse_feeds
from diemcau_agent.media.slots import Rebuild, Slot, Switch, assign, plan
from diemcau_agent.media.sound_order import MOST_WAITING, SoundOrder
from diemcau_agent.media.watchdog import PictureWatch, UplinkWatch
from diemcau_wire.messages import Video
from hypothesis import given
from hypothesis import strategies as st

SITES = st.sampled_from(["an", "binh", "chinh", "dong"])


def published(*sites: str) -> list[set[str]]:
    return [set(sites)] * 5


def test_a_slot_moves_only_to_what_is_published() -> None:
    slots = [Slot()] * 5
    assert plan(["an", "binh", None, None, None], slots, published("an")) == [Switch(0, "an")]


def test_a_slot_nobody_wants_is_parked() -> None:
    slots = [Slot("an"), *[Slot()] * 4]
    assert plan([None] * 5, slots, published("an")) == [Switch(0, None)]


def test_a_slot_whose_feed_left_waits_and_then_needs_a_new_connection() -> None:
    slots = [Slot("an", dead=True), *[Slot()] * 4]
    wanted = ["an", None, None, None, None]
    assert plan(wanted, slots, published("binh")) == []
    assert plan(wanted, slots, published("an", "binh")) == Rebuild()


@given(
    st.lists(st.none() | SITES, min_size=5, max_size=5),
    st.lists(st.builds(Slot, st.none() | SITES), min_size=5, max_size=5),
    st.sets(SITES),
)
def test_planning_again_gives_nothing_to_do(
    wanted: list[str | None], slots: list[Slot], there: set[str]
) -> None:
    steps = plan(wanted, slots, [there] * 5)
    assert not isinstance(steps, Rebuild)
    for step in steps:
        slots[step.index] = Slot(step.site)
    assert plan(wanted, slots, [there] * 5) == []


@given(st.lists(SITES, max_size=3, unique=True), st.lists(st.none() | SITES, min_size=3, max_size=3))
def test_voices_keep_their_slots(wanted: list[str], current: list[str | None]) -> None:
    current = [site if site not in current[:index] else None for index, site in enumerate(current)]
    slots = assign(wanted, current)
    assert sorted(site for site in slots if site) == sorted(wanted)
    for site in set(wanted) & set(current):
        assert slots.index(site) == current.index(site)


def test_no_picture_for_three_seconds_and_then_ever_more_patience() -> None:
    watch = PictureWatch()
    rebuilds = [t / 2 for t in range(240) if watch.look(t / 2, "an", None)]
    assert rebuilds[0] == 3.5
    gaps = np.diff(rebuilds)
    assert all(later > earlier for earlier, later in itertools.pairwise(gaps))


def test_a_picture_resets_the_patience() -> None:
    watch = PictureWatch()
    watch.look(0, "an", None)
    assert watch.look(4, "an", None)
    assert not watch.look(5, "an", 4.5)
    assert watch.look(8, "an", 4.5)


def test_nothing_is_expected_of_a_slot_without_a_site() -> None:
    watch = PictureWatch()
    assert not any(watch.look(float(t), None, None) for t in range(100))


def test_the_uplink_is_lost_only_while_pictures_are_sent() -> None:
    watch = UplinkWatch()
    watch.heard(0.0, receiving=False)
    assert not watch.lost(20.0, last_sent=1.0), "the camera gives nothing, so nothing can arrive"
    assert watch.lost(20.0, last_sent=19.9)
    watch.heard(21.0, receiving=True)
    assert not watch.lost(40.0, last_sent=40.0)


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1, max_size=30))
def test_the_time_line_only_goes_forward(stamps: list[int | None]) -> None:
    line = TimeLine()
    ticks = [line.at(pts, Fraction(1, 90_000), 6000 * i) for i, pts in enumerate(stamps)]
    assert all(later > earlier for earlier, later in itertools.pairwise(ticks))


def test_the_time_line_keeps_the_cameras_intervals() -> None:
    line = TimeLine()
    ticks = [line.at(1000 + 3000 * i, Fraction(1, 90_000), 3000 * i + i % 3) for i in range(5)]
    assert list(np.diff(ticks)) == [3000] * 4


def pictures(*means: int) -> list[np.ndarray]:
    texture = np.arange(64, dtype=np.uint8).reshape(8, 8)
    return [texture + np.uint8(mean) for mean in means]


def test_a_full_scale_sine_has_minus_three_decibels() -> None:
    assert decibels(32768**2 / 2) == -3.0
    assert decibels(0) == -100.0


def test_mixing_clips_instead_of_wrapping() -> None:
    loud = np.full(BLOCK, 30_000, np.int16)
    assert (mix([loud, loud]) == 32767).all()
    assert (mix([-loud, -loud, loud]) == -30_000).all()
    assert (mix([]) == 0).all()


def test_a_voice_waits_for_two_blocks_and_drops_what_is_too_old() -> None:
    voice = Voice("an")
    block = np.ones(BLOCK, np.int16)
    voice.push(block)
    assert voice.pull() is None
    voice.push(block)
    assert voice.pull() is not None
    for _ in range(100):
        voice.push(block)
    held = 0
    while voice.pull() is not None:
        held += 1
    assert held <= 12


def test_a_voice_that_has_too_much_comes_back_to_its_picture() -> None:
    voice, block = Voice("an"), np.ones(BLOCK, np.int16)
    for _ in range(10):  # 0.2 s of them came late, all at once
        voice.push(block)
    for _ in range(60):
        voice.push(block)
        assert voice.pull() is not None
    held = 0
    while voice.pull() is not None:
        held += 1
    assert 1 <= held <= 2


def test_a_voice_bridges_lost_packets_and_waits_out_a_pause() -> None:
    voice, block = Voice("an"), np.full(BLOCK, 8000, np.int16)
    voice.push(block, 0)
    voice.push(block, 3 * BLOCK)  # two are missing
    voice.push(block, 100 * BLOCK)  # a pause: nothing is made up
    played = []
    while (pulled := voice.pull()) is not None:
        played.append(int(pulled[0]))
    assert played == [8000, 4000, 2000, 8000, 8000]


def test_sound_is_handed_on_at_once_in_order() -> None:
    order, passed = SoundOrder(lambda: 0), []
    for number in (65534, 65535, 1, 0, 1, 2, 500, 499, 100):
        packet = RtpPacket(sequence_number=number, timestamp=number)
        packet._data = b"sound"
        _, frame = order.add(packet)
        passed += [] if frame is None else [frame.timestamp]
    assert passed == [65534, 65535, 1, 2, 500, 100]
    empty = RtpPacket(sequence_number=101)
    empty._data = b""
    assert order.add(empty) == (False, None)


def test_sound_does_not_wait_long_for_a_decoder_that_is_too_slow() -> None:
    """It decodes one packet while three come."""
    waiting: list[int] = []
    order, decoded = SoundOrder(lambda: len(waiting)), []
    for number in range(300):
        packet = RtpPacket(sequence_number=number, timestamp=number)
        packet._data = b"sound"
        _, frame = order.add(packet)
        waiting += [] if frame is None else [frame.timestamp]
        assert len(waiting) <= MOST_WAITING
        if number % 3 == 0 and waiting:
            decoded.append(waiting.pop(0))
    assert decoded == sorted(decoded) and len(decoded) == 100 and 300 - decoded[-1] < 4 * MOST_WAITING


@given(st.lists(st.integers(1, 3000), max_size=30))
def test_a_voice_takes_packets_of_any_length(lengths: list[int]) -> None:
    voice = Voice("an")
    for length in lengths:
        voice.push(np.ones(length, np.int16))
        pulled = voice.pull()
        assert pulled is None or len(pulled) == BLOCK


def test_feeds_are_parsed_and_garbage_is_left_out() -> None:
    streams = [{"type": "audio", "mid": "0"}, {"type": "video", "mid": "1"}, {"type": "data", "mid": "2"}]
    entries = [{"id": "an", "streams": streams}, {"id": 7}, "x", {"id": "binh", "streams": streams[:1]}]
    assert parse_feeds(entries) == [Feed("an", "0", "1"), Feed("binh", "0", None)]
    assert parse_feeds(None) == []


def test_publishers_come_and_go() -> None:
    publishers = Publishers("an")
    both = [{"id": "an", "streams": []}, {"id": "binh", "streams": []}]
    assert publishers.take({"publishers": both}) == set()
    assert set(publishers.feeds) == {"binh"}
    assert publishers.take({"unpublished": "binh"}) == {"binh"}
    assert publishers.take({"leaving": "ok"}) == {"ok"}
    assert publishers.feeds == {}


def test_nal_types_are_found() -> None:
    data = b"\0\0\0\1\x67a\0\0\1\x68b\0\0\0\1\x65c"
    assert nal_types(data) == [7, 8, 5]


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_a_picture_fits_and_has_even_sides(width: int, height: int) -> None:
    video = Video(width=1280, height=720)
    fitted = fit(width, height, video)
    assert fitted[0] % 2 == fitted[1] % 2 == 0
    assert 2 <= fitted[0] <= 1280 and 2 <= fitted[1] <= 720


START = {
    "type": "start",
    "meeting": "m1",
    "join": {"url": "wss://198.51.100.1:8989", "room": "r", "pin": "1234"},
    "ca": "/ca.crt",
    "site": "an",
    "name": "An",
    "camera": {"source": "synthetic"},
    "microphone": {"source": "none"},
    "sound": {"output": "none"},
    "video": {},
    "screen_socket": "/s",
    "previous_session": None,
}


def test_orders_are_parsed() -> None:
    assert isinstance(parse_order(START), Start)
    floor = parse_order({"type": "floor", "video": ["an", None], "audio": [], "mic": False, "new": 1})
    assert isinstance(floor, Floor) and floor.video == ["an", None]


@pytest.mark.parametrize(
    "line",
    [
        {"type": "dance"},
        {**START, "join": None},
        {**START, "site": "Not A Site"},
        {**START, "previous_session": "x"},
        {**START, "video": {"width": 10**9}},
        {"type": "floor", "video": ["an"], "audio": [], "mic": False},
        {"type": "floor", "video": [None, None], "audio": ["a", "b", "c", "d"], "mic": False},
        {"type": "floor", "video": [None, None], "audio": [], "mic": "maybe"},
        {"type": "check"},
    ],
)
def test_orders_that_are_none_are_refused(line: dict[str, object]) -> None:
    with pytest.raises(Garbage):
        parse_order(line)


def test_the_fault_behind_a_task_groups_exceptions_is_found() -> None:
    internal, lost = ValueError("a bug"), JanusLost("gone")
    assert fault_in(ExceptionGroup("", [internal, ExceptionGroup("", [lost])])).what == "janus_lost"
    assert fault_in(ExceptionGroup("", [internal])).what == "internal"
    assert fault_in(JanusRefused(433, "unauthorized")).what == "join_refused"
    assert fault_in(Fault("no_media", "")).what == "no_media"


def test_key_frames_are_one_a_second_and_one_saved_up() -> None:
    budget = KeyFrameBudget()
    asked = [tick for tick in range(900_000, 1_800_000, 6_000) if budget.spend(tick)]
    assert asked[:2] == [900_000, 906_000]
    assert len(asked) <= 2 + 10
    assert all(later - earlier >= 84_000 for earlier, later in itertools.pairwise(asked[1:]))
