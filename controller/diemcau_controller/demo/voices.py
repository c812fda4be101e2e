"""Recognising whose sound it is: a site's own tone, or the recording it was given as microphone.

Sounds are float arrays at 48 kHz, mono, full scale 1. Levels are decibels relative to full scale.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
STANDS_OUT_DB = 20.0
ALIKE = 0.7  # correlation of spectrograms from which a recording counts as recognised

Sound = NDArray[np.floating[Any]]

_SOFTEST_DB = -50.0  # below this nobody in a hall would call it a voice
_FLOOR_DB = -90.0
_BAND_HZ = 15.0
_STEADY_SHARE = 0.8
_PIECE = 2 * RATE_HZ


@dataclass(frozen=True, slots=True)
class Tone:
    """A site that hums at `hertz`."""

    hertz: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A site whose microphone plays this sound again and again."""

    sound: Sound


Voice = Tone | Recording


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes or no, and why not."""

    ok: bool
    why: str = ""


def heard(sound: Sound, voice: Voice, others: list[Voice]) -> Verdict:
    """Is `voice`, and nobody of `others`, what is heard in `sound` (a few seconds)?

    A tone must stand 20 dB above every other site's tone and above the noise floor, and be there for most
    of the time. A recording must match in its spectrogram, and no other's tone may stand out of it by 20 dB.
    """
    if len(sound) < RATE_HZ:
        return Verdict(False, f"only {len(sound) / RATE_HZ:.1f} s of sound were played")
    if _level(sound) < _SOFTEST_DB:
        return Verdict(False, f"it was silent ({_level(sound):.0f} dB)")
    own = _hears_tone(sound, voice) if isinstance(voice, Tone) else _hears_recording(sound, voice)
    if not own.ok:
        return own
    for other in others:
        if isinstance(other, Recording):
            if likeness(sound, other.sound) >= ALIKE:
                return Verdict(False, "another site's recording was heard too")
            continue
        level = tone_level(sound, other.hertz)
        limit = (
            tone_level(sound, voice.hertz) if isinstance(voice, Tone) else _around(sound, other.hertz) + 40
        )
        if level > limit - STANDS_OUT_DB:
            return Verdict(False, f"another site's tone of {other.hertz} Hz was heard too ({level:.0f} dB)")
    return Verdict(True)


def _hears_tone(sound: Sound, tone: Tone) -> Verdict:
    level, floor = tone_level(sound, tone.hertz), noise_floor(sound, tone.hertz)
    if level < _SOFTEST_DB or level - floor < STANDS_OUT_DB:
        return Verdict(
            False, f"the tone of {tone.hertz} Hz was not there ({level:.0f} dB, noise {floor:.0f} dB)"
        )
    blocks = sound[: len(sound) // 9600 * 9600].reshape(-1, 9600)  # 200 ms each
    there = [tone_level(block, tone.hertz) > level - 10 for block in blocks]
    share = sum(there) / len(there)
    if share < _STEADY_SHARE:
        return Verdict(False, f"the tone of {tone.hertz} Hz was there {share:.0%} of the time only")
    return Verdict(True)


def _hears_recording(sound: Sound, recording: Recording) -> Verdict:
    if _level(recording.sound) < _SOFTEST_DB:
        return Verdict(False, f"the recording itself is silent ({_level(recording.sound):.0f} dB)")
    alike = likeness(sound, recording.sound)
    return Verdict(alike >= ALIKE, f"what was heard is not the recording (likeness {alike:.2f})")


def tone_level(sound: Sound, hertz: int) -> float:
    """Level of what lies within 15 Hz of a frequency."""
    frequencies, power = _spectrum(sound)
    return _db(float(power[np.abs(frequencies - hertz) <= max(_BAND_HZ, 1.5 * frequencies[1])].sum()))


def noise_floor(sound: Sound, hertz: int) -> float:
    """The median level of bands as wide as a tone's, 200 to 3000 Hz, away from `hertz`."""
    frequencies, power = _spectrum(sound)
    bands = [
        _db(float(power[np.abs(frequencies - centre) <= _BAND_HZ].sum()))
        for centre in np.arange(200.0, 3000.0, 2 * _BAND_HZ)
        if abs(centre - hertz) > 100
    ]
    return float(np.median(bands))


def likeness(sound: Sound, recording: Sound) -> float:
    """How much the sound is a stretch of the repeated recording, -1 to 1.

    The sound is cut into pieces of two seconds, so that a gap in it does no harm to the rest; for each the
    best correlation of its spectrogram with the recording's counts, and of these the median.
    """
    known = _spectrogram(recording)
    pieces = [sound[at : at + _PIECE] for at in range(0, max(1, len(sound) - _PIECE + 1), _PIECE)]
    return float(np.median([_best_correlation(_spectrogram(piece), known) for piece in pieces]))


def _best_correlation(heard_rows: Sound, known_rows: Sound) -> float:
    count = len(heard_rows)
    if count == 0 or len(known_rows) == 0:
        return 0.0
    rounds = -(-(len(known_rows) + count) // len(known_rows))
    known = np.tile(known_rows, (rounds, 1))[: len(known_rows) + count - 1]
    wanted = heard_rows - heard_rows.mean()
    size = 2 ** int(np.ceil(np.log2(len(known) + count)))
    product = np.fft.irfft(
        np.fft.rfft(known, size, axis=0) * np.conj(np.fft.rfft(wanted, size, axis=0)), size, axis=0
    )
    cross = product.sum(axis=1)[: len(known_rows)]
    sums, squares = _running(known.sum(axis=1), count), _running((known**2).sum(axis=1), count)
    spread = np.sqrt(np.maximum(squares - sums**2 / wanted.size, 1e-9) * (wanted**2).sum() + 1e-9)
    return float((cross / spread).max())


def read_raw(path: Path, start: int, end: int) -> Sound:
    """Bytes `start` to `end` of a file of 48 kHz mono s16le."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(max(0, end - start) // 2 * 2)
    return np.frombuffer(data, "<i2").astype(np.float64) / 32768


def read_wav(path: Path) -> Sound:
    """A WAV file of 16-bit PCM, mixed to mono at 48 kHz. Raises ValueError or OSError with a sentence."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise ValueError(f"{path} has {8 * file.getsampwidth()}-bit samples: give a 16-bit WAV file")
            rate, channels = file.getframerate(), file.getnchannels()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64) / 32768
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not a WAV file: {error}") from None
    mono: Sound = samples.reshape(-1, channels).mean(axis=1)
    if len(mono) < rate // 2:
        raise ValueError(f"{path} is shorter than half a second")
    if rate == RATE_HZ:
        return mono
    resampled: Sound = np.interp(np.arange(0, len(mono), rate / RATE_HZ), np.arange(len(mono)), mono)
    return resampled


def _around(sound: Sound, hertz: int) -> float:
    """Level of the neighbourhood of a frequency, in a band as wide as a tone's."""
    frequencies, power = _spectrum(sound)
    distance = np.abs(frequencies - hertz)
    near = power[(distance > 2 * _BAND_HZ) & (distance <= 8 * _BAND_HZ)]
    return _db(float(near.sum()) / 6)


def _spectrum(sound: Sound) -> tuple[Sound, Sound]:
    """Frequencies and the power of each, so that a sine's powers add up to its mean square."""
    window = np.hanning(len(sound))
    power = 2 * np.abs(np.fft.rfft(sound * window)) ** 2 / (len(sound) * (window**2).sum())
    return np.fft.rfftfreq(len(sound), 1 / RATE_HZ), power


def _spectrogram(sound: Sound) -> Sound:
    """One row each 20 ms, 24 bands from 100 to 7000 Hz, in dB, nothing below -90."""
    size, hop = 2048, 960
    count = max(0, (len(sound) - size) // hop + 1)
    if count == 0:
        return np.zeros((0, 24))
    rows = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop]
    power = np.abs(np.fft.rfft(rows * np.hanning(size), axis=1)) ** 2 / (size * (np.hanning(size) ** 2).sum())
    edges = np.round(np.geomspace(100, 7000, 25) * size / RATE_HZ).astype(int)
    edges = np.maximum(edges, np.arange(25) + edges[0])
    bands = np.add.reduceat(power, edges[:-1], axis=1)
    bands[:, -1] = power[:, edges[-2] : edges[-1]].sum(axis=1)
    return np.asarray(np.maximum(10 * np.log10(bands + 1e-12), _FLOOR_DB))


def _running(values: Sound, count: int) -> Sound:
    """Sums of `count` values in a row, from each place on."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[count:] - total[:-count])


def _level(sound: Sound) -> float:
    return _db(float(np.mean(sound**2)))


def _db(power: float) -> float:
    return float(max(_FLOOR_DB, 10 * np.log10(power + 1e-12)))
