"""Sound outputs: where the mixed voices go, as 48 kHz mono blocks of 20 ms, in real time."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from .microphones import Block


class SoundOutput(Protocol):
    """An open output. It gets a block every 20 ms, silence too, so a position in it is a time."""

    def write(self, block: Block) -> None:
        """Play 960 samples. Raises OSError when the output is gone."""

    def close(self) -> None:
        """Let the device go."""


class NoOutput:
    """Nothing is heard."""

    def write(self, block: Block) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing to let go."""


class FileOutput:
    """Appends raw s16le to a file."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - closed by close()

    def write(self, block: Block) -> None:
        """Append a block."""
        self._file.write(block.astype("<i2", copy=False).tobytes())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_sound_output(output: str) -> SoundOutput:
    """Open the output a configuration names. Raises OSError, also for one nobody knows."""
    kind, _, rest = output.partition(":")
    if output == "none":
        return NoOutput()
    if kind == "file" and rest:
        return FileOutput(rest)
    raise OSError(f"no driver for sound output {output!r}")
