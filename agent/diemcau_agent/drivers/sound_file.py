"""A sound file as a microphone: decoded to 48 kHz mono, in real time, repeated without end."""

from __future__ import annotations

from collections.abc import Generator

import av
import numpy as np

from .microphones import BLOCK, RATE_HZ, Block, MicrophoneLost, PlainMicrophone
from .pacing import Pacer


class SoundFileMicrophone(PlainMicrophone):
    """Plays `path`, any format FFmpeg reads, again and again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._blocks = self._play()
        self._first: Block | None = self._next()
        self._pacer = Pacer(BLOCK / RATE_HZ)

    def read(self) -> Block:
        """The next 20 ms. Raises :class:`MicrophoneLost` when the file cannot be decoded."""
        self._pacer.wait()
        if self._first is not None:
            block, self._first = self._first, None
            return block
        return self._next()

    def close(self) -> None:
        """Close the file."""
        self._blocks.close()

    def _next(self) -> Block:
        try:
            return next(self._blocks)
        except (av.FFmpegError, OSError, IndexError) as error:
            raise MicrophoneLost(f"{self._path}: {error}") from error
        except StopIteration:
            raise MicrophoneLost(f"{self._path}: no sound in it") from None

    def _play(self) -> Generator[Block, None, None]:
        """Blocks of one round after another, without the odd end; ends when a round is empty."""
        while True:
            count = 0
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ, frame_size=BLOCK)
            with av.open(self._path) as container:
                for decoded in container.decode(container.streams.audio[0]):
                    for frame in resampler.resample(decoded):
                        if frame.samples == BLOCK:
                            count += 1
                            yield np.ascontiguousarray(frame.to_ndarray()[0], dtype=np.int16)
            if count == 0:
                return
