"""The checks: what they find in what was measured, and what they let pass."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import pytest
from diemcau_agent.checks import CHECKS, FAULTS, judge, parts_of, seen_gone
from diemcau_agent.checks.load import STARVED
from diemcau_agent.media.measure.load import Lateness
from diemcau_agent.media.measure.looking import Looking
from diemcau_agent.remedies import REMEDIES
from diemcau_wire.messages import DesiredConfig
from hypothesis import given
from hypothesis import strategies as st

RATE_HZ = 48_000
CONFIG = DesiredConfig.model_validate(
    {
        "unit": "u3f9a01c77b2e",
        "epoch": 1,
        "rev": 1,
        "site": {"id": "a", "name": "Xã An"},
        "camera": {"source": "v4l2:usb-cam"},
        "microphone": {"source": "pulse:mic"},
        "sound": {"output": "pulse:speaker"},
        "television": {"control": "cec"},
    }
)
HEALTHY: dict[str, dict[str, Any]] = {
    "camera": {
        **{"pictures": 60, "seconds": 4.0, "fps": 15.0, "width": 640, "height": 360, "codec": "raw"},
        **{"luma": 110.0, "brightest": 190.0, "structure": 30.0, "stale_s": 0.0, "stale_keys": 0},
        **{"motion": 2.5, "moving": 0.0},
    },
    "microphone": {"level_db": -55.0, "peak_db": -40.0},
    "tone": {
        **{"played": True, "heard": True, "level_db": -30.0, "snr_db": 20.0, "delay_ms": 120.0},
        **{"echo_db": -12.0, "noise_db": -55.0},
    },
    "mixer": {"source_muted": False, "source_volume": 80, "sink_muted": False, "sink_volume": 70},
    "room": {"joined": True, "pictures_sent": 30, "pictures_back": 29, "tone_back": True},
    "line": {"linked": True, "rtt_ms": 40.0, "cables": 1, "carriers": 1},
    "television": {"power": "on", "ours": True, "name": "TV"},
    "screen": {"ready": True, "connectors": 2, "connected": 1, "edid": True, "text": ""},
    "disk": {"free_bytes": 5 * 2**30},
    "heat": {"celsius": 55.0},
    "power": {"undervoltage": False},
    "clock": {"trusted": True, "offset_s": -0.3},
    "load": {"lost": 0.02},
}
BROKEN: dict[str, dict[str, dict[str, Any]]] = {
    "camera_missing": {"camera": {"why": "missing", "text": "usb-cam is not plugged in"}},
    "camera_busy": {"camera": {"why": "busy"}},
    "camera_refused": {"camera": {"why": "refused"}},
    "camera_unreachable": {"camera": {"why": "unreachable"}},
    "camera_unsupported": {"camera": {"why": "unsupported"}},
    "camera_black": {"camera": {"luma": 16.0, "brightest": 17.0, "structure": 0.1, "motion": 0.0}},
    "camera_frozen": {"camera": {"stale_s": 3.9, "stale_keys": 58, "motion": 0.0}},
    "camera_slow": {"camera": {"fps": 5.0}},
    "camera_gop": {"camera": {"codec": "h264", "gop_s": 4.0}},
    "microphone_missing": {"microphone": {"why": "missing"}},
    "microphone_busy": {"microphone": {"why": "busy"}},
    "microphone_substituted": {"microphone": {"why": "substituted"}},
    "microphone_silent": {"microphone": {"level_db": -100.0, "peak_db": -100.0}},
    "microphone_muted": {"mixer": {"source_muted": True}},
    "microphone_quiet": {"mixer": {"source_volume": 5}},
    "sound_missing": {"tone": {"why": "missing"}},
    "sound_muted": {"mixer": {"sink_muted": True}},
    "sound_not_heard": {"tone": {"heard": False}},
    "sound_echo": {"tone": {"echo_db": 10.0}},
    "television_off": {"television": {"power": "standby", "ours": None}},
    "television_input": {"television": {"ours": False}},
    "television_silent": {"television": {"why": "silent"}},
    "screen_missing": {"screen": {"ready": False}},
    "edid_missing": {"screen": {"edid": False, "text": "the checksum is wrong"}},
    "janus_unreachable": {"room": {"why": "lost", "text": "no answer"}},
    "line_down": {"line": {"linked": False}},
    "line_slow": {"line": {"rtt_ms": 3000.0}},
    "disk_full": {"disk": {"text": "No space left on device"}},
    "hot": {"heat": {"celsius": 88.0}},
    "undervoltage": {"power": {"undervoltage": True}},
    "clock_wrong": {"clock": {"trusted": False, "offset_s": -3600.0}},
    "media_hung": {"media": {"hung": True, "text": "silent for 8 s"}},
    "check_incomplete": {"media": {"cut": True}},
    "unit_overloaded": {"camera": {"fps": 2.0}, "load": {"lost": 0.6}},
}


def measured(*faults: str, **more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is measured in a hall with these faults and nothing else wrong."""
    room = {part: dict(values) for part, values in HEALTHY.items()}
    for changes in [*(BROKEN[fault] for fault in faults), more]:
        for part, values in changes.items():
            room[part] = {**room.get(part, {}), **values}
    return room


def found(room: dict[str, dict[str, Any]], **settings: Any) -> list[str]:
    config = CONFIG.model_copy(update=settings)
    return [finding.what for finding in judge(room, config)]


def test_every_fault_is_named_and_a_healthy_hall_has_none() -> None:
    assert set(BROKEN) == set(FAULTS)
    assert found(measured()) == []
    for fault in FAULTS:
        assert found(measured(fault)) == [fault]


@pytest.mark.parametrize(
    ("tone", "gone"),
    [({"heard": True}, True), ({"heard": False}, False), ({"skipped": "occupied"}, False), ({}, False)],
)
def test_a_loudspeaker_is_mended_when_it_was_heard(tone: dict[str, Any], *, gone: bool) -> None:
    assert seen_gone("sound_not_heard", {"tone": tone}) is gone
    assert seen_gone("camera_black", {"tone": tone})


@pytest.mark.parametrize(
    ("room", "named"),
    [
        ({"camera": {"fps": 2.0}}, ["unit_overloaded"]),
        ({"line": {"rtt_ms": 3000.0}}, ["unit_overloaded"]),
        ({"room": {"pictures_back": 0}}, ["unit_overloaded"]),
        ({"room": {"why": "slow"}, "camera": {"fps": 2.0}}, ["unit_overloaded"]),
        ({"room": {"why": "lost", "joined": None}}, ["janus_unreachable"]),
        ({"camera": {"why": "missing"}, "line": {"linked": False}}, ["line_down", "camera_missing"]),
        ({"tone": {"why": "hung"}}, ["unit_overloaded"]),
        ({"tone": {"why": "missing"}}, ["sound_missing"]),
        ({"media": {"cut": True}}, ["check_incomplete", "unit_overloaded"]),
        ({}, []),
    ],
)
def test_a_unit_that_was_too_busy_to_look_blames_nobody_else(room: Any, named: list[str]) -> None:
    assert found(measured(**room, load={"lost": 0.45})) == named
    assert "unit_overloaded" not in found(measured(**room)), "a unit that had time"


def test_what_a_busy_unit_does_not_see_is_not_mended() -> None:
    assert not seen_gone("camera_slow", measured(load={"lost": 0.45}))
    assert seen_gone("camera_slow", measured()) and seen_gone("camera_busy", measured(load={"lost": 0.45}))


def test_timers_that_fire_late_are_lost_time() -> None:
    async def share(busy_s: float) -> float:
        lateness = Lateness()
        watching = asyncio.create_task(lateness.watch())
        for _ in range(4):
            await asyncio.sleep(0.01)
            time.sleep(busy_s)  # noqa: ASYNC251 - somebody else has the processor
        watching.cancel()
        return lateness.share

    assert asyncio.run(share(0.3)) > STARVED


def test_a_microphone_turned_down_until_nothing_is_left_is_turned_down() -> None:
    assert found(measured("microphone_silent", "microphone_quiet")) == ["microphone_quiet"]


def test_the_coordinators_time_counts_more_than_the_dates_of_files() -> None:
    assert found(measured(clock={"trusted": False})) == []
    assert found(measured(clock={"trusted": True, "offset_s": 3600.0})) == ["clock_wrong"]
    assert found(measured(clock={"trusted": False, "offset_s": None})) == ["clock_wrong"]


@pytest.mark.parametrize(
    "pair",
    [
        ("camera_missing", "microphone_missing"),
        ("camera_black", "sound_muted"),
        ("camera_frozen", "line_down"),
        ("camera_refused", "disk_full"),
        ("microphone_muted", "sound_muted"),
        ("microphone_silent", "television_off"),
        ("television_input", "sound_not_heard"),
        ("janus_unreachable", "line_down"),
        ("screen_missing", "clock_wrong"),
        ("hot", "undervoltage"),
        ("media_hung", "television_silent"),
        ("camera_slow", "microphone_quiet"),
    ],
)
def test_two_faults_at_once_are_both_named(pair: tuple[str, str]) -> None:
    assert sorted(found(measured(*pair))) == sorted(pair)


def test_what_one_fault_explains_is_not_a_second_one() -> None:
    deaf = measured("microphone_muted", "microphone_silent", "sound_not_heard")
    assert found(deaf) == ["microphone_muted"]
    assert found(measured("sound_muted", "sound_not_heard")) == ["sound_muted"]
    loud = measured("sound_not_heard", tone={"heard": False, "noise_db": -30.0})
    assert found(loud) == [], "in a loud hall nobody can say"


def test_what_is_not_there_is_not_missed() -> None:
    none = {"source": "none"}
    room = measured("microphone_missing", "sound_missing", "television_silent")
    empty = {
        "microphone": CONFIG.microphone.model_copy(update=none),
        "sound": CONFIG.sound.model_copy(update={"output": "none"}),
        "television": CONFIG.television.model_copy(update={"control": "none"}),
    }
    assert found(room, **empty) == []
    assert found({}) == [], "what was not measured says nothing"


@given(
    st.dictionaries(
        st.sampled_from(sorted(HEALTHY)),
        st.one_of(
            st.none(),
            st.dictionaries(
                st.sampled_from(sorted({key for values in HEALTHY.values() for key in values} | {"why"})),
                st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(), st.just([1])),
            ),
        ),
    )
)
def test_whatever_was_measured_is_judged(room: Any) -> None:
    assert all(finding.what in FAULTS for finding in judge(room, CONFIG))


def test_what_is_tried_exists_and_what_tells_is_measured() -> None:
    parts = {part for check in CHECKS for part in check.parts}
    for what, fault in FAULTS.items():
        assert set(fault.remedies) <= set(REMEDIES), what
        assert set(parts_of(what)) <= parts
    assert {remedy for fault in FAULTS.values() for remedy in fault.remedies} == set(REMEDIES)


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────

CHANCE = np.random.default_rng(3)
WIDTH, HEIGHT, FPS = 320, 180, 15


def hall(light: float, contrast: float) -> np.ndarray:
    """A room: a window, a table, a shade from wall to wall."""
    across = np.linspace(-0.5, 0.5, WIDTH)[None, :] + np.linspace(0.2, -0.2, HEIGHT)[:, None]
    room = light + contrast * across
    room[20:60, 200:260] += contrast
    room[120:160, 60:240] -= contrast / 3
    return room


def pictures(still: np.ndarray, noise: float, seconds: float = 4) -> Iterator[np.ndarray]:
    for _ in range(round(seconds * FPS)):
        yield np.clip(still + CHANCE.normal(0, noise, still.shape), 16, 235).astype(np.uint8)


def coded(lumas: Iterator[np.ndarray], gop: int, *, crf: int = 30) -> Iterator[tuple[np.ndarray, bool]]:
    """As a camera that encodes gives them: H.264 with key frames, decoded again."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.framerate, encoder.gop_size, encoder.thread_count = FPS, gop, 1
    encoder.options = {"preset": "superfast", "tune": "zerolatency", "crf": str(crf), "sc_threshold": "0"}
    decoder = av.CodecContext.create("h264", "r")
    for luma in lumas:
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        planes[:HEIGHT] = luma
        for packet in encoder.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")):
            for frame in decoder.decode(packet):
                yield frame.to_ndarray()[:HEIGHT], bool(frame.key_frame)


def look(shots: Iterator[tuple[np.ndarray, bool]]) -> dict[str, Any]:
    looking = Looking()
    for number, (luma, key) in enumerate(shots):
        looking.take(luma, number / FPS, key=key)
    return looking.values()


def raw(lumas: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    return ((luma, True) for luma in lumas)


def sees(values: dict[str, Any]) -> list[str]:
    return found(measured(camera=values))


@pytest.mark.parametrize(
    ("light", "contrast", "noise"), [(110, 60, 1.5), (24, 10, 2.5), (20, 6, 4), (40, 4, 1)]
)
def test_a_still_empty_hall_bright_or_dark_is_healthy(light: float, contrast: float, noise: float) -> None:
    assert sees(look(raw(pictures(hall(light, contrast), noise)))) == []


def test_a_still_hall_whose_camera_takes_all_noise_away_is_healthy() -> None:
    """Between key frames the picture does not change at all; each key frame differs a little."""
    values = look(coded(pictures(hall(90, 40), 1.2, 5), gop=FPS))
    assert sees(values) == [] and values["stale_s"] < 1.5


def test_a_frozen_camera_raw_and_coded() -> None:
    still = hall(110, 60).clip(16, 235).astype(np.uint8)
    assert sees(look(raw(itertools.repeat(still, 60)))) == ["camera_frozen"]
    again = coded(itertools.repeat(still, 5 * FPS), gop=FPS // 2, crf=23)
    assert sees(look(again)) == ["camera_frozen"]


def test_a_covered_lens_is_black_and_a_night_with_one_lamp_is_not() -> None:
    covered = np.full((HEIGHT, WIDTH), 17.0)
    assert sees(look(raw(pictures(covered, 3)))) == ["camera_black"], "with noise, too"
    lamp = covered.copy()
    lamp[20:30, 20:30] = 180
    assert sees(look(raw(pictures(lamp, 3)))) == []


def test_somebody_who_walks_through_is_seen_and_noise_is_not_taken_for_him() -> None:
    def walking() -> Iterator[np.ndarray]:
        for number, luma in enumerate(pictures(hall(110, 60), 2)):
            luma[60:120, number * 4 : number * 4 + 40] = 40
            yield luma

    assert look(raw(walking()))["moving"] > 0.02
    assert look(raw(pictures(hall(24, 10), 6)))["moving"] < 0.01
