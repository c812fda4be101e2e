"""Whether the room hears the tone: quiet, in noise, in speech, echoing; and never where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from diemcau_agent.drivers.microphones import RATE_HZ
from diemcau_agent.media.room_sound import hear, tone
from numpy.typing import NDArray

LENGTH = round(2.2 * RATE_HZ)
TONE = tone()


def room(
    gain_db: float | None,
    *,
    noise_db: float = -60,
    besides: NDArray[np.float64] | float = 0.0,
    echo: float = 0.0,
) -> NDArray[np.int16]:
    """What a microphone records 150 ms from the loudspeaker; `echo` s until it has died away by 60 dB."""
    chance = np.random.default_rng(7)
    sound = chance.normal(0, 10 ** (noise_db / 20), LENGTH) + besides
    if gain_db is not None:
        played = TONE / 32768 * 10 ** (gain_db / 20)
        if echo:
            at = np.arange(round(0.5 * RATE_HZ)) / RATE_HZ
            answer = 0.05 * chance.normal(size=len(at)) * np.exp(-6.9 * at / echo)
            answer[0] = 1
            played = np.fft.irfft(np.fft.rfft(played, 1 << 17) * np.fft.rfft(answer, 1 << 17))
        begins = round(0.15 * RATE_HZ)
        sound[begins:] += (
            played[: LENGTH - begins][: len(sound) - begins]
            if echo
            else np.pad(played, (0, LENGTH - begins - len(played)))
        )
    return np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)


def speech(level_db: float) -> NDArray[np.float64]:
    """Something voiced that comes and goes, with a wandering pitch."""
    at = np.arange(LENGTH) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 1.3 * at)) / RATE_HZ
    voice = sum(np.sin(k * phase) / k**0.7 for k in range(1, 25)) * np.clip(np.sin(23 * at), 0, 1)
    return np.asarray(10 ** (level_db / 20) * voice / np.std(voice))


def claps() -> NDArray[np.float64]:
    chance = np.random.default_rng(3)
    sound = np.zeros(LENGTH)
    for begins in chance.integers(0, LENGTH - 3000, 6):
        sound[begins : begins + 3000] += 0.5 * chance.normal(size=3000) * np.exp(-np.arange(3000) / 400)
    return sound


HUM = 0.1 * np.sin(2 * np.pi * 700 * np.arange(LENGTH) / RATE_HZ)


@pytest.mark.parametrize(
    "recorded",
    [
        room(-10),
        room(-40),
        room(-30, noise_db=-40, besides=speech(-30)),
        room(-20, besides=claps()),
        room(-30, besides=HUM),
        room(-20, echo=1.2),
        room(10),  # so loud that it is clipped
    ],
    ids=["plain", "quiet", "noise and speech", "claps", "hum", "echoing", "clipped"],
)
def test_the_tone_is_heard(recorded: NDArray[np.int16]) -> None:
    heard = hear(TONE, recorded)
    assert heard.heard
    assert heard.delay_ms == pytest.approx(150, abs=3)


@pytest.mark.parametrize(
    "recorded",
    [
        room(None),
        room(None, besides=speech(-20)),
        room(None, besides=claps()),
        room(None, besides=HUM),
        room(None, noise_db=-20),
        np.zeros(LENGTH, np.int16),
        TONE,  # too short to be searched
        np.zeros(0, np.int16),
    ],
    ids=["still", "speech", "claps", "hum", "noise", "nothing", "short", "empty"],
)
def test_where_no_tone_is_none_is_heard(recorded: NDArray[np.int16]) -> None:
    if recorded is not TONE:
        assert not hear(TONE, recorded).heard
    assert not hear(np.zeros(1000, np.int16), recorded).heard


def test_level_noise_and_echo_are_measured() -> None:
    own_db = 10 * np.log10(np.square(TONE[: RATE_HZ * 2 // 5] / 32768).mean())
    plain, quiet, echoing = hear(TONE, room(-10)), hear(TONE, room(-40)), hear(TONE, room(-10, echo=1.2))
    assert plain.level_db == pytest.approx(own_db - 10, abs=1)
    assert quiet.level_db == pytest.approx(own_db - 40, abs=1)
    assert plain.snr_db - quiet.snr_db == pytest.approx(30, abs=2)
    assert plain.echo_db < -30 < -10 < echoing.echo_db


def test_a_microphone_of_8_khz_and_a_lost_block_do_not_matter() -> None:
    recorded = room(-20)
    spectrum = np.fft.rfft(recorded)
    spectrum[np.fft.rfftfreq(LENGTH, 1 / RATE_HZ) > 3400] = 0
    narrow = np.fft.irfft(spectrum, LENGTH).astype(np.int16)
    lost = RATE_HZ * 3 // 4  # between the first chirp and the second
    assert hear(TONE, np.concatenate((narrow[:lost], narrow[lost + 960 :]))).heard
