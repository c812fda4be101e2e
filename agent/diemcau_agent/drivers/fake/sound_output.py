"""A loudspeaker that is a JSON file: what it does now, changed by whoever writes the file.

Keys, all with the values of a good one as default:
`plugged` true · `busy` false, somebody else has it · `opens` "", the name of another one that opens in its
place · `muted` false · `volume_percent` 100 · `sounds` true, the amplifier behind it is on · `buffer_ms` 0,
how long it keeps what it is given before it sounds · `hang_s` 0, how long each opening and each write takes
beyond its time.
What it sounds is in the room: a fake microphone with `hears` set to this file's path hears it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..microphones import BLOCK, RATE_HZ, Block
from ..pacing import Pacer
from ..sound_outputs import SoundLost
from .room import Room
from .setting import change_setting, read_setting


@dataclass(frozen=True, slots=True)
class _Effects:
    plugged: bool = True
    busy: bool = False
    opens: str = ""
    muted: bool = False
    volume_percent: int = 100
    sounds: bool = True
    buffer_ms: float = 0.0
    hang_s: float = 0.0


class FakeSoundOutput:
    """The loudspeaker in `path`. Raises :class:`SoundLost`, also when that is no file of this kind."""

    def __init__(self, path: str, volume_percent: int | None = None) -> None:
        self._path = path
        effects = self._effects("missing")
        time.sleep(effects.hang_s)
        if effects.busy:
            raise SoundLost(f"{path} is used by somebody else", "busy")
        if effects.opens:
            raise SoundLost(f"{effects.opens} opened in place of {path}", "substituted")
        if volume_percent is not None:
            change_setting(path, volume_percent=volume_percent)
        self._room = Room(Path(f"{path}.played"), played_in=True)
        self._pacer = Pacer(BLOCK / RATE_HZ, late_s=math.inf)

    @property
    def muted(self) -> bool:
        """As the file says."""
        return self._effects("lost").muted

    def write(self, block: Block) -> None:
        """Play 20 ms."""
        self._pacer.wait()
        effects = self._effects("lost")
        time.sleep(effects.hang_s)
        share = effects.volume_percent / 100 if effects.sounds and not effects.muted else 0.0
        sounds_ns = time.monotonic_ns() + round(effects.buffer_ms * 1_000_000)
        self._room.play(np.round(block * share).astype(np.int16), sounds_ns)

    def close(self) -> None:
        """Fall silent."""
        self._room.close()

    def _effects(self, why: str) -> _Effects:
        try:
            effects = read_setting(self._path, _Effects)
        except OSError as error:
            raise SoundLost(str(error), why) from error
        if not effects.plugged:
            raise SoundLost(f"{self._path} is not plugged in", why)
        return effects
