"""A browser that knows nothing but URL, room and PIN sees every site live, and hears who has the floor."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from diemcau_controller.demo.halls import SITES
from diemcau_controller.demo.judge import RECENT_MS
from diemcau_controller.demo.voices import RATE_HZ
from numpy.typing import NDArray

from tests.browser.room_page import RoomPage, room_page
from tests.system.staged_meeting import FPS, SETTLE_S, StagedMeeting, staged_meeting

pytestmark = pytest.mark.namespace

COUNT_S = 10.0
SILENCE_DB = 20.0  # so much lower is everybody who has not the floor
TONE_DB = -26.0  # the sites' tones are played at -20 dBFS
BAND_HZ = 40.0
SILENT_DB = -120.0


def test_every_feed_is_live_and_only_the_floor_is_heard(tmp_path: Path) -> None:
    with staged_meeting(tmp_path / "stage") as meeting, room_page() as page:
        page.enter(meeting.join_info())
        page.until(lambda: set(page.feeds()) == set(SITES), 5, "not every site publishes")
        for site in SITES:
            page.until(lambda site=site: page.code(site) is not None, 10, f"no code in the feed of {site}")
        see_each_site(page)
        count_frames(page)
        for speaker in SITES:
            meeting.give_floor(speaker)
            page.wait(SETTLE_S)
            hear_only(page, meeting, speaker)


def see_each_site(page: RoomPage) -> None:
    for site in SITES:
        first = page.code(site)
        page.wait(0.5)
        second = page.code(site)
        assert first is not None and second is not None, f"no code in the feed of {site}"
        assert first[0] == second[0] == site
        assert second[1] > first[1], f"the clock of {site} stands still"
        assert abs(time.time() * 1000 - second[1]) < RECENT_MS


def count_frames(page: RoomPage) -> None:
    """Against what a source makes when it never stumbles: its rate, whatever was really sent."""
    ratios = {
        site: frames / (seconds * FPS) for site, (frames, seconds) in page.count(SITES, COUNT_S).items()
    }
    print("frames presented of frames made:", {site: round(ratio, 3) for site, ratio in ratios.items()})
    assert all(ratio >= 0.9 for ratio in ratios.values()), ratios


def hear_only(page: RoomPage, meeting: StagedMeeting, speaker: str) -> None:
    """The speaker's tone in its own feed, and beside it nobody's tone and nobody's sound."""
    margins = []
    for _ in range(3):
        page.wait(0.7)
        sounds = {site: page.sound(site) for site in SITES}
        own = tone_db(sounds[speaker], meeting.tones[speaker])
        assert own > TONE_DB, f"{speaker} has the floor and is not heard: {own:.0f} dB"
        others = {site: sound_db(sounds[site]) for site in SITES if site != speaker}
        tones = {site: tone_db(sum(sounds.values()), meeting.tones[site]) for site in others}
        margins.append(own - max(*others.values(), *tones.values()))
        assert margins[-1] >= SILENCE_DB, f"{speaker} has the floor: {own:.0f} dB, {others}, {tones}"
    print(f"{speaker} has the floor: the others are {min(margins):.0f} dB lower at least")


def tone_db(sound: NDArray[np.float64], hertz: int) -> float:
    """Level of what is near a frequency. A browser short of time stretches sound, which smears a tone."""
    if sound.size == 0:
        return SILENT_DB
    window = np.hanning(sound.size)
    power = 2 * np.abs(np.fft.rfft(sound * window)) ** 2 / (sound.size * (window**2).sum())
    near = np.abs(np.fft.rfftfreq(sound.size, 1 / RATE_HZ) - hertz) <= BAND_HZ
    return _db(float(power[near].sum()))


def sound_db(sound: NDArray[np.float64]) -> float:
    """Level of all of it."""
    return _db(float(np.mean(sound**2))) if sound.size else SILENT_DB


def _db(power: float) -> float:
    return max(SILENT_DB, 10 * float(np.log10(power + 1e-12)))
