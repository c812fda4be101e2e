"""Up to three voices into one: a small buffer for each, and a clock that writes 20 ms at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diemcau_agent.drivers.microphones import BLOCK, RATE_HZ, Block
from diemcau_agent.drivers.sound_outputs import NoOutput, SoundOutput, open_sound_output

from .chime import Chime

log = logging.getLogger(__name__)

SILENCE_DB = -100.0
_BLOCK_S = BLOCK / RATE_HZ
_PREBUFFER, _MOST, _AFTER_CUT = 2, 12, 4  # blocks
_REOPEN_S = 5.0


class Voice:
    """The sound of one slot between arriving and being played. A new site starts with an empty one."""

    def __init__(self, site: str | None) -> None:
        self.site = site
        self.packets = 0
        self._blocks: deque[Block] = deque()
        self._rest: Block = np.empty(0, np.int16)
        self._playing = False
        self._power = self._measured = 0.0

    def push(self, samples: Block) -> None:
        """Take one packet's samples, 48 kHz mono."""
        self.packets += 1
        self._rest = np.concatenate((self._rest, samples))
        while len(self._rest) >= BLOCK:
            self._blocks.append(self._rest[:BLOCK])
            self._rest = self._rest[BLOCK:]
        if len(self._blocks) > _MOST:  # their clock runs faster than ours, or a burst came in
            while len(self._blocks) > _AFTER_CUT:
                self._blocks.popleft()

    def pull(self) -> Block | None:
        """The next 20 ms; None while there is nothing to play."""
        if not self._playing:
            self._playing = len(self._blocks) >= _PREBUFFER
        if not self._playing or not self._blocks:
            self._playing = False
            return None
        block = self._blocks.popleft()
        self._power += float(np.square(block.astype(np.float32)).mean())
        self._measured += 1
        return block

    def level_db(self) -> float:
        """Effective level since the last call, dB relative to full scale; -100 for silence."""
        power, count = self._power, self._measured
        self._power = self._measured = 0.0
        return decibels(power / count) if count else SILENCE_DB


def decibels(mean_square: float) -> float:
    """Level of samples with this mean square, dB relative to full scale, never below -100."""
    if mean_square <= 0:
        return SILENCE_DB
    return max(SILENCE_DB, round(10 * float(np.log10(mean_square / 32768**2)), 1))


def mix(blocks: Sequence[Block]) -> Block:
    """The sum of the blocks, clipped where it is too loud."""
    if not blocks:
        return np.zeros(BLOCK, np.int16)
    if len(blocks) == 1:
        return blocks[0]
    total: NDArray[np.int32] = np.sum(blocks, axis=0, dtype=np.int32)
    return np.clip(total, -32768, 32767).astype(np.int16)


class Mixer:
    """Plays the voices, and a chime, into the sound output, silence too, one block every 20 ms."""

    def __init__(self, output: str, voices: int) -> None:
        self.voices = [Voice(None) for _ in range(voices)]
        self.chime = Chime()
        self._name = output
        self._output: SoundOutput = NoOutput()

    def assign(self, sites: Sequence[str | None]) -> None:
        """Whose voice is in which slot."""
        for index, site in enumerate(sites):
            if self.voices[index].site != site:
                self.voices[index] = Voice(site)

    async def run(self) -> None:
        """Play until cancelled. An output that fails is tried again; the meeting goes on."""
        loop = asyncio.get_running_loop()
        due, reopen = loop.time(), loop.time()
        working = False
        try:
            while True:
                try:
                    if not working and loop.time() >= reopen:
                        self._output = open_sound_output(self._name)
                        working = True
                    self._output.write(self._next())
                except OSError as error:
                    log.warning("sound output: %s", error)
                    self._output.close()
                    self._output, working, reopen = NoOutput(), False, loop.time() + _REOPEN_S
                due += _BLOCK_S
                await asyncio.sleep(max(0.0, due - loop.time()))
        finally:
            self._output.close()

    def _next(self) -> Block:
        sounding = [*(voice.pull() for voice in self.voices), self.chime.pull()]
        return mix([block for block in sounding if block is not None])
