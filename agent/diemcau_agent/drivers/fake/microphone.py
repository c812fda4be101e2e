"""A microphone that is a JSON file: what comes out of it now, changed by whoever writes the file.

Keys, all with the values of a good one as default:
`plugged` true · `busy` false, somebody else has it · `opens` "", the name of another one that opens in its
place · `muted` false · `volume_percent` 100 · `gives` true, blocks come at all · `hang_s` 0, how long each
opening and each read takes beyond its time · `noise_db` -50, its own noise, dBFS · `tone_hz` 0 and `tone_db`
-20, somebody who whistles · `hears` "", the JSON file of a fake loudspeaker in the same room, with `gain_db`
-12 and `delay_ms` 60 from there to here and `echoes` [], each how many ms later and how many dB weaker it
comes again · `plays` "", a file of 48 kHz mono s16le with whatever else is heard there, again and again ·
`rate_hz` 48000, what it samples at (16000 and 8000 too).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..microphones import BLOCK, RATE_HZ, Block, MicrophoneLost
from ..pacing import Pacer
from .room import Room
from .setting import read_setting

_SILENT_S = 2.0
_LATE_NS = 500_000_000


@dataclass(frozen=True, slots=True)
class _Effects:
    plugged: bool = True
    busy: bool = False
    opens: str = ""
    muted: bool = False
    volume_percent: int = 100
    gives: bool = True
    hang_s: float = 0.0
    noise_db: float = -50.0
    tone_hz: float = 0.0
    tone_db: float = -20.0
    hears: str = ""
    gain_db: float = -12.0
    delay_ms: float = 60.0
    echoes: Sequence[tuple[float, float]] = ()
    plays: str = ""
    rate_hz: int = RATE_HZ


class FakeMicrophone:
    """The microphone in `path`. Raises :class:`MicrophoneLost`, also when that is no file of this kind."""

    echo_cancelled = False

    def __init__(self, path: str) -> None:
        self._path = path
        effects = self._effects("missing")
        time.sleep(effects.hang_s)
        if effects.busy:
            raise MicrophoneLost(f"{path} is used by somebody else", "busy")
        if effects.opens:
            raise MicrophoneLost(f"{effects.opens} opened in place of {path}", "substituted")
        self._chance = np.random.default_rng(1)
        self._sample = 0
        self._began_ns = time.monotonic_ns()
        self._room: Room | None = None
        self._besides = _besides(effects.plays)
        self._pacer = Pacer(BLOCK / RATE_HZ)

    @property
    def muted(self) -> bool:
        """As the file says."""
        return self._effects("lost").muted

    def read(self) -> Block:
        """The next 20 ms."""
        self._pacer.wait()
        effects = self._effects("lost")
        time.sleep(effects.hang_s)
        if not effects.gives:
            time.sleep(_SILENT_S)
            raise MicrophoneLost(f"{self._path} gives no sound", "silent")
        heard = self._hear(effects)
        self._sample += BLOCK
        if effects.muted:
            return np.zeros(BLOCK, np.int16)
        return np.clip(np.round(heard * effects.volume_percent / 100), -32768, 32767).astype(np.int16)

    def close(self) -> None:
        """Leave the room."""
        if self._room is not None:
            self._room.close()

    def _hear(self, effects: _Effects) -> NDArray[np.float64]:
        sound = self._chance.normal(0.0, _amplitude(effects.noise_db), BLOCK)
        if effects.tone_hz:
            phase = 2 * np.pi * effects.tone_hz / RATE_HZ * np.arange(self._sample, self._sample + BLOCK)
            sound += np.sqrt(2) * _amplitude(effects.tone_db) * np.sin(phase)
        if self._besides.size:
            sound += self._besides[np.arange(self._sample, self._sample + BLOCK) % self._besides.size]
        if effects.hears:
            sound += 10 ** (effects.gain_db / 20) * self._loudspeaker(effects)
        per_sample = max(1, RATE_HZ // effects.rate_hz)
        return (
            sound.reshape(-1, per_sample).mean(axis=1).repeat(per_sample)
            if BLOCK % per_sample == 0
            else sound
        )

    def _loudspeaker(self, effects: _Effects) -> NDArray[np.float64]:
        if self._room is None:
            self._room = Room.of(effects.hears)
        room = self._room
        recorded_ms = (self._sample + BLOCK) * 1000 / RATE_HZ  # by its own clock, whenever it is read
        late_ns = time.monotonic_ns() - self._began_ns - round(recorded_ms * 1_000_000)
        if late_ns > _LATE_NS:  # nobody read for so long that sound was lost
            self._began_ns += late_ns

        def heard(delay_ms: float) -> NDArray[np.float64]:
            until_ns = self._began_ns + round((recorded_ms - delay_ms) * 1_000_000)
            return room.heard(until_ns).astype(np.float64)

        sound = heard(effects.delay_ms)
        for later_ms, weaker_db in effects.echoes:
            sound += 10 ** (-weaker_db / 20) * heard(effects.delay_ms + later_ms)
        return sound

    def _effects(self, why: str) -> _Effects:
        try:
            effects = read_setting(self._path, _Effects)
        except OSError as error:
            raise MicrophoneLost(str(error), why) from error
        if not effects.plugged:
            raise MicrophoneLost(f"{self._path} is not plugged in", why)
        return effects


def _amplitude(level_db: float) -> float:
    return float(32768 * 10 ** (level_db / 20))


def _besides(path: str) -> Block:
    """What else is heard in the room. Raises :class:`MicrophoneLost`."""
    try:
        return np.fromfile(path, np.int16) if path else np.zeros(0, np.int16)
    except OSError as error:
        raise MicrophoneLost(str(error), "missing") from error
