"""Up to three voices into one: a small buffer for each, and a thread that plays 20 ms at a time."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diemcau_agent.drivers.microphones import BLOCK, Block
from diemcau_agent.drivers.sound_outputs import SoundOutput, open_sound_output

from .chime import Chime
from .device import DeviceThread

log = logging.getLogger(__name__)

SILENCE_DB = -100.0
_PREBUFFER, _MOST, _AFTER_CUT = 2, 12, 4  # blocks
_SPARE, _SPARE_FOR = 2, 50  # blocks that lay unused during so many are too much, but for one
_BRIDGED = 5  # blocks at most that are made up where packets were lost
_REOPEN_S = 5.0
_OPEN_S, _HANG_S = 12.0, 3.0


class Voice:
    """The sound of one slot between arriving and being played. A new site starts with an empty one.

    It is filled on the event loop and emptied by the thread that plays. It keeps no more than the unevenness
    of arriving needs: sound that waits longer is behind its picture.
    """

    def __init__(self, site: str | None) -> None:
        self.site = site
        self.packets = 0
        self._lock = threading.Lock()
        self._blocks: deque[Block] = deque()
        self._rest: Block = np.empty(0, np.int16)
        self._next: int | None = None  # when, in samples, what comes next is expected to begin
        self._playing = False
        self._least, self._pulled = _MOST, 0
        self._power = self._measured = 0.0

    def push(self, samples: Block, begins: int | None = None) -> None:
        """Take one packet's samples, 48 kHz mono; `begins` is their time in samples. Where packets are
        missing the last sound goes on, fading, so that what follows is played in its time."""
        self.packets += 1
        self._power += float(np.square(samples.astype(np.float32)).mean())
        self._measured += 1
        with self._lock:
            if begins is not None:
                self._bridge(begins)
                self._next = begins + len(samples)
            self._rest = np.concatenate((self._rest, samples))
            while len(self._rest) >= BLOCK:
                self._blocks.append(self._rest[:BLOCK])
                self._rest = self._rest[BLOCK:]
            if len(self._blocks) > _MOST:  # a burst came in
                while len(self._blocks) > _AFTER_CUT:
                    self._blocks.popleft()

    def pull(self) -> Block | None:
        """The next 20 ms; None while there is nothing to play."""
        with self._lock:
            if not self._playing:
                self._playing = len(self._blocks) >= _PREBUFFER
                self._least, self._pulled = _MOST, 0
            if not self._playing or not self._blocks:
                self._playing = False
                return None
            block = self._blocks.popleft()
            self._least, self._pulled = min(self._least, len(self._blocks)), self._pulled + 1
            if self._pulled == _SPARE_FOR:
                # their clock runs faster than ours, or packets came late for a while
                for _ in range(self._least - _SPARE + 1):
                    self._blocks.popleft()
                self._least, self._pulled = _MOST, 0
            return block

    def flush(self) -> None:
        """Forget what has not been played."""
        with self._lock:
            self._blocks.clear()
            self._playing = False

    def level_db(self) -> float:
        """Effective level of what came since the last call, dB relative to full scale; -100 for silence."""
        power, count = self._power, self._measured
        self._power = self._measured = 0.0
        return decibels(power / count) if count else SILENCE_DB

    def _bridge(self, begins: int) -> None:
        """Fill a short gap before what begins now. A long one is a pause, or another sender."""
        missing = (begins - self._next) // BLOCK if self._next is not None else 0
        if not 0 < missing <= _BRIDGED or not self._blocks:
            return
        fading = self._blocks[-1]
        for _ in range(missing):
            fading = (fading * 0.5).astype(np.int16)
            self._blocks.append(fading)


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
    """Plays the voices, and a chime, into the sound output, silence too, one block every 20 ms.

    `working` says whether it takes them, `lost` why not; `volume_percent` is set when it opens first.
    """

    def __init__(self, output: str, voices: int, volume_percent: int | None = None) -> None:
        self.voices = [Voice(None) for _ in range(voices)]
        self.chime = Chime()
        self.working = False
        self.lost = ""
        self._name, self._volume_percent = output, volume_percent
        self._output: SoundOutput | None = None
        self._written = 0

    @property
    def muted(self) -> bool:
        """Whether the sound server has muted the output. Raises nothing: one that is lost is not muted."""
        try:
            return self.working and self._output is not None and self._output.muted
        except OSError:
            return False

    def assign(self, sites: Sequence[str | None]) -> None:
        """Whose voice is in which slot."""
        for index, site in enumerate(sites):
            if self.voices[index].site != site:
                self.voices[index] = Voice(site)

    async def run(self) -> None:
        """Play until cancelled. An output that fails or hangs is tried again; the meeting goes on."""
        while True:
            thread = DeviceThread("sound-output", self._play)
            thread.start()
            try:
                reason = await self._watch(thread)
            finally:
                thread.abandon()
                self.working = False
            self.lost = reason
            log.warning("sound output: %s", reason)
            await asyncio.sleep(_REOPEN_S)

    async def _watch(self, thread: DeviceThread) -> str:
        """Why the output is lost."""
        while True:
            seen, patience_s = self._written, _HANG_S if self.working else _OPEN_S
            await asyncio.wait({thread.ended}, timeout=patience_s)
            if thread.ended.done():
                return thread.ended.result() or "it has ended"
            if self._written == seen:
                return f"it has taken no sound for {patience_s:g} s"

    def _opened(self) -> None:
        self.working, self.lost, self._volume_percent = True, "", None

    # in the thread

    def _play(self, thread: DeviceThread) -> None:
        output = open_sound_output(self._name, volume_percent=self._volume_percent)
        try:
            self._output = output
            thread.tell(self._opened)
            for voice in self.voices:
                voice.flush()
            while not thread.abandoned:
                output.write(self._next())
                self._written += 1
        finally:
            output.close()

    def _next(self) -> Block:
        sounding = [*(voice.pull() for voice in self.voices), self.chime.pull()]
        return mix([block for block in sounding if block is not None])
