"""What is heard in halls besides a tone: fans, hum, rain on the roof, people; and how halls echo."""

from __future__ import annotations

import numpy as np
from diemcau_agent.drivers.microphones import RATE_HZ
from numpy.typing import NDArray

Sound = NDArray[np.float64]
SECONDS = 4
_EARLY_MS, _LATE_MS, _ARRIVALS = 5.0, 420.0, 18


def calm(chance: np.random.Generator) -> Sound:
    """A quiet hall: some fan somewhere, some hum, now and then nothing at all."""
    level_db = chance.uniform(-80, -52)
    return _at(fan(chance) + 0.3 * hum(chance), level_db)


def noisy(chance: np.random.Generator) -> Sound:
    """A loud one: ceiling fans, rain on a tin roof, a humming amplifier, people talking, doors."""
    kind = chance.choice(["fans", "rain", "hum", "people", "doors"])
    level_db = chance.uniform(-46, -32)
    if kind == "people":
        return _at(speech(chance) + 0.2 * fan(chance), level_db)
    if kind == "hum":
        return _at(hum(chance) + 0.3 * fan(chance), level_db)
    if kind == "doors":
        return _at(fan(chance), level_db - 8) + knocks(chance)
    return _at(rain(chance) if kind == "rain" else fan(chance), level_db)


def fan(chance: np.random.Generator) -> Sound:
    """Low noise that swells a little with each turn."""
    spectrum = np.fft.rfft(chance.standard_normal(SECONDS * RATE_HZ))
    at_hz = np.fft.rfftfreq(SECONDS * RATE_HZ, 1 / RATE_HZ)
    noise = np.fft.irfft(spectrum / np.maximum(at_hz, 60) ** chance.uniform(0.3, 0.9))
    turns = 1 + 0.1 * np.sin(2 * np.pi * round(chance.uniform(2, 8)) * _time())
    return np.asarray(noise / noise.std() * turns)


def rain(chance: np.random.Generator) -> Sound:
    """White, made of drops."""
    drops = np.where(chance.random(SECONDS * RATE_HZ) < 0.02, chance.standard_normal(SECONDS * RATE_HZ), 0)
    return np.asarray(chance.standard_normal(SECONDS * RATE_HZ) + 6 * drops)


def hum(chance: np.random.Generator) -> Sound:
    """The mains and its harmonics, some of them in the band of the tone."""
    shares = chance.random(30) / np.arange(1, 31) ** 0.5
    return np.asarray(
        sum(share * np.sin(2 * np.pi * 50 * (n + 1) * _time()) for n, share in enumerate(shares))
    )


def speech(chance: np.random.Generator) -> Sound:
    """Somebody: a voice with a wandering pitch, in syllables, with pauses."""
    pitch_hz = chance.uniform(95, 230) * (1 + 0.15 * np.sin(2 * np.pi * 1.25 * _time()))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    voice = sum(np.sin(k * phase) / k**0.8 for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 4 * _time() + chance.uniform(0, 6)), 0, 1)
    pauses = np.repeat(chance.random(SECONDS * 4) < 0.8, RATE_HZ // 4)
    return np.asarray(voice * syllables * pauses + 1e-4 * chance.standard_normal(SECONDS * RATE_HZ))


def knocks(chance: np.random.Generator) -> Sound:
    """Doors and chairs, a few."""
    sound = np.zeros(SECONDS * RATE_HZ)
    for begins in chance.integers(0, SECONDS * RATE_HZ - 6000, chance.integers(1, 5)):
        bang = chance.standard_normal(6000) * np.exp(-np.arange(6000) / chance.uniform(300, 1500))
        sound[begins : begins + 6000] += chance.uniform(0.02, 0.3) * bang
    return sound


def reverberation(chance: np.random.Generator, *, seconds: float) -> list[tuple[float, float]]:
    """How a hall answers: arrivals after the first, in ms, and how many dB weaker each. In `seconds` it has
    died away by 60 dB; together the late ones are what a diffuse field has beside its early part."""
    slices = np.linspace(_EARLY_MS, _LATE_MS, _ARRIVALS + 1)
    at_ms = slices[:-1] + chance.random(_ARRIVALS) * np.diff(slices)
    energy = np.exp(-13.8 * at_ms / 1000 / seconds)
    nearness = chance.uniform(0.3, 3.0)  # of the loudspeaker: how much of all that comes is reverberation
    energy *= nearness / energy[:2].sum()  # what comes within 50 ms counts as the direct sound
    jitter_db = chance.uniform(-2, 2, _ARRIVALS)
    return [
        (round(float(ms), 2), round(float(-10 * np.log10(share) + more), 1))
        for ms, share, more in zip(at_ms, energy, jitter_db, strict=True)
        if share > 1e-5
    ]


def _time() -> Sound:
    return np.arange(SECONDS * RATE_HZ) / RATE_HZ


def _at(sound: Sound, level_db: float) -> Sound:
    return np.asarray(sound / sound.std() * 10 ** (level_db / 20))
