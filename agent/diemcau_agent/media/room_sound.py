"""Whether a room's microphone hears its loudspeaker: the tone that is played for it, and its search. Pure.

The tone is three chirps between 500 and 3500 Hz: what every loudspeaker plays and a microphone of 16 or
8 kHz hears. Each is looked for by a matched filter, which finds a chirp of 0.4 s and 3 kHz some 30 dB below
what its level alone would need, whatever fans, speech and hum do beside it. Two of the three have to be found
at one delay, so that neither a clap nor a gap of a busy machine decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diemcau_agent.drivers.microphones import RATE_HZ, Block

LOW_HZ, HIGH_HZ = 500.0, 3500.0
CHIRP_S, GAP_S, _FADE_S = 0.4, 0.1, 0.02
PEAK = 0.4  # of full scale
_NOTHING_DB = -100.0

_FOUND = 5.0  # times the median of a filter's output: noise alone gets there once in a million values
_BANG, _HUM = 6.0, 4.0  # times the median of a recording; of the frequencies beside
_BESIDE_HZ, _AROUND_S, _STEP_S = 100.0, 0.15, 0.005
_ONE_DELAY_S = 0.025  # what a block lost or doubled on the way shifts a chirp by
_DOUBT, _ALIKE = 3.0, RATE_HZ / (HIGH_HZ - LOW_HZ)  # standard deviations; samples that go together
_BEFORE_S, _EARLY_S, _LATE_S = 0.002, 0.05, 0.4  # around the first arrival: of that, and of echoes

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heard:
    """What of a tone is in a recording.

    `level_db` is its effective level there, dB relative to full scale; `snr_db` its level above everything
    else between 500 and 3500 Hz; `delay_ms` when it first arrives, from the start of the recording; `echo_db`
    what arrives 50 to 400 ms later, relative to what comes first, -100 when noise hides it. What was not
    heard has -100, -100, 0 and -100.
    """

    heard: bool
    level_db: float = _NOTHING_DB
    snr_db: float = _NOTHING_DB
    delay_ms: float = 0.0
    echo_db: float = _NOTHING_DB


def tone(rate_hz: int = RATE_HZ) -> Block:
    """The tone to play, 1.4 s: a chirp up, one down, one up."""
    at = np.arange(round(CHIRP_S * rate_hz)) / rate_hz
    phase = 2 * np.pi * (LOW_HZ * at + (HIGH_HZ - LOW_HZ) / (2 * CHIRP_S) * at**2)
    fade = np.minimum(1.0, np.minimum(at, at[::-1]) / _FADE_S)
    up = np.round(PEAK * 32767 * fade * np.sin(phase)).astype(np.int16)
    gap = np.zeros(round(GAP_S * rate_hz), np.int16)
    return np.concatenate((up, gap, up[::-1], gap, up))


def hear(played: Block, recorded: Block, rate_hz: int = RATE_HZ) -> Heard:
    """Look for what was played in what was recorded, which began at the same time and went on for longer.

    Delays up to the difference of both lengths are looked at.
    """
    chirps = _chirps(played)
    lags = len(recorded) - len(played) + 1
    if not chirps or lags < 1 or not np.any(recorded):
        return Heard(False)
    sound = recorded.astype(np.float64) / 32768
    calm = _without_hum(_without_bangs(sound), rate_hz)
    ratios = []
    for start, chirp in chirps:
        answer = _matched(calm, chirp / 32768)[start:]
        sharp = answer[:lags] / np.maximum(_around(answer, rate_hz)[:lags], _floor(answer))
        ratios.append(_highest_near(sharp, round(_ONE_DELAY_S * rate_hz)))
    need = min(2, len(chirps))
    agreed = np.sort(ratios, axis=0)[-need]
    if agreed.max() < _FOUND:
        return Heard(False)
    near = int(agreed.argmax())
    found = [index for index in range(len(chirps)) if ratios[index][near] >= _FOUND]
    measured = []
    for start, chirp in (chirps[index] for index in found):
        measured.append(_measure(_matched(sound, chirp / 32768)[start:], near, chirp / 32768, rate_hz))
    first, level, noise, _ = (float(value) for value in np.median(measured, axis=0))
    echo = measured[-1][-1]  # after the last chirp nothing else comes
    return Heard(
        True, _decibels(level), _decibels(level / noise), round(1000 * first / rate_hz, 1), _decibels(echo)
    )


def _chirps(played: Block) -> list[tuple[int, _Floats]]:
    """The sounds in it, each with where it begins: what silence of 10 ms or more parts."""
    loud = np.flatnonzero(played)
    if loud.size == 0:
        return []
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > RATE_HZ // 100) + 1)
    return [(int(part[0]), played[part[0] : part[-1] + 1].astype(np.float64)) for part in parts]


def _without_bangs(sound: _Floats) -> _Floats:
    """Claps and knocks cut down to what is usual: they have every frequency, so every chirp is in them. What
    this does to the chirp, too, keeps its phase, which is all it is found by."""
    usual = float(np.median(np.abs(sound))) * _BANG
    return np.asarray(np.clip(sound, -usual, usual)) if usual > 0 else sound


def _without_hum(sound: _Floats, rate_hz: int) -> _Floats:
    """Single frequencies cut down to what is usual beside them; the chirp has all of its band alike."""
    spectrum = np.fft.rfft(sound)
    size = np.abs(spectrum)
    beside = _medians(size, max(1, round(_BESIDE_HZ * len(sound) / rate_hz))) * _HUM
    return np.fft.irfft(spectrum * np.minimum(1.0, beside / np.maximum(size, 1e-12)), len(sound))


def _around(answer: _Floats, rate_hz: int) -> _Floats:
    """The median within 0.15 s: a clap answers for as long as a chirp lasts, a chirp at one moment."""
    steps = round(_STEP_S * rate_hz)
    coarse = _medians(answer, steps)[::steps]
    reach = round(_AROUND_S / _STEP_S)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(coarse, reach, mode="edge"), 2 * reach + 1)
    return np.asarray(np.median(windows, axis=1).repeat(steps)[: len(answer)])


def _medians(values: _Floats, length: int) -> _Floats:
    """Each value replaced by the median of its piece of so many."""
    pieces = np.pad(values, (0, -len(values) % length), mode="edge").reshape(-1, length)
    return np.asarray(np.median(pieces, axis=1).repeat(length)[: len(values)])


def _floor(answer: _Floats) -> float:
    return max(float(np.median(answer)), 1e-9)


def _matched(sound: _Floats, chirp: _Floats) -> _Floats:
    """How loud the chirp is in the sound, as a factor, if it begins at each sample: the envelope."""
    size = 1 << (len(sound) + len(chirp)).bit_length()
    spectrum = np.fft.fft(sound, size) * np.conj(np.fft.fft(chirp, size))
    spectrum[size // 2 :] = 0  # the analytic signal
    return np.asarray(2 * np.abs(np.fft.ifft(spectrum))[: len(sound)] / np.square(chirp).sum())


def _highest_near(values: _Floats, reach: int) -> _Floats:
    """For each position the highest value within `reach`, looked at in steps of `reach`."""
    whole = np.pad(values, (0, -len(values) % reach)).reshape(-1, reach).max(axis=1)
    neighbours = np.pad(whole, 1)
    highest = np.maximum.reduce([neighbours[:-2], neighbours[1:-1], neighbours[2:]])
    return np.asarray(highest.repeat(reach)[: len(values)])


def _measure(answer: _Floats, near: int, chirp: _Floats, rate_hz: int) -> tuple[float, float, float, float]:
    """First arrival (samples); as mean squares the chirp's level and other sound in its band; and how much of
    the chirp came late for each that came early."""
    floor = _floor(answer)
    reach = 2 * round(_ONE_DELAY_S * rate_hz)
    start = max(0, near - reach)
    window = answer[start : near + reach]
    first = start + int(np.flatnonzero(window >= window.max() / 2)[0])
    noise = floor**2 / np.log(2)  # mean square of values whose median is `floor`: Rayleigh's distribution
    whole = float(np.square(_matched(np.pad(chirp, len(chirp)), chirp)).sum())  # of a factor of one
    before, early, late = (round(seconds * rate_hz) for seconds in (_BEFORE_S, _EARLY_S, _LATE_S))
    direct = _above(answer[max(0, first - before) : first + early], noise) / whole
    echoes = _above(answer[first + early : first + late], noise) / whole
    energy = float(np.square(chirp).sum())
    in_band = noise * energy / 2 * (HIGH_HZ - LOW_HZ) / (rate_hz / 2)
    return first, direct * energy / len(chirp), in_band, echoes / direct


def _above(answer: _Floats, noise: float) -> float:
    """The sum of squares without that of noise; nothing when noise alone could have made it."""
    above = float((np.square(answer) - noise).sum())
    return above if above > _DOUBT * noise * np.sqrt(_ALIKE * len(answer)) else 1e-12


def _decibels(ratio: float) -> float:
    return max(_NOTHING_DB, round(10 * float(np.log10(max(ratio, 1e-10))), 1))
