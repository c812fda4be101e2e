"""Sound outputs: where the mixed voices go, as 48 kHz mono blocks of 20 ms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol

from .microphones import BLOCK, RATE_HZ, Block
from .pacing import Pacer


class SoundLost(OSError):
    """The sound output cannot be opened or takes nothing any more; the text says why.

    `why` is a stable word: `missing` (not plugged in), `busy` (there, but not to be had), `substituted`
    (another one opened in its place), `lost` (it was there; or the reason is unknown).
    """

    def __init__(self, text: str, why: str = "lost") -> None:
        super().__init__(text)
        self.why = why


class SoundOutput(Protocol):
    """An open output, written by one thread. It gets a block every 20 ms, silence too, and paces its writer,
    so a position in it is a time."""

    @property
    def muted(self) -> bool:
        """Whether the sound server has muted it, so that nothing is heard."""

    def write(self, block: Block) -> None:
        """Play 960 samples; waits while enough is waiting to be played. Raises :class:`SoundLost`, at the
        latest after 2 s."""

    def close(self) -> None:
        """Let the device go."""


class NoOutput:
    """Nothing is heard."""

    muted = False

    def __init__(self) -> None:
        self._pacer = Pacer(BLOCK / RATE_HZ)

    def write(self, block: Block) -> None:
        """Forget it, in its time."""
        self._pacer.wait()

    def close(self) -> None:
        """Nothing to let go."""


class FileOutput:
    """Appends raw s16le to a file."""

    muted = False

    def __init__(self, path: str) -> None:
        try:
            self._file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise SoundLost(str(error), "missing") from error
        self._pacer = Pacer(BLOCK / RATE_HZ, late_s=math.inf)

    def write(self, block: Block) -> None:
        """Append a block, in its time."""
        self._pacer.wait()
        try:
            self._file.write(block.astype("<i2", copy=False).tobytes())
        except OSError as error:
            raise SoundLost(str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_sound_output(output: str, *, volume_percent: int | None = None) -> SoundOutput:
    """Open the output a configuration names, and set its volume where it has one. Blocks up to 5 s.

    Raises :class:`SoundLost`, also for an output nobody knows.
    """
    kind, _, rest = output.partition(":")
    if output == "none":
        return NoOutput()
    if kind == "file" and rest:
        return FileOutput(rest)
    if kind == "pulse" and rest:
        from .pulse import PulseOutput

        return PulseOutput(rest, volume_percent)
    if kind == "fake" and rest:
        from .fake.sound_output import FakeSoundOutput

        return FakeSoundOutput(rest, volume_percent)
    raise SoundLost(f"no driver for sound output {output!r}", "missing")
