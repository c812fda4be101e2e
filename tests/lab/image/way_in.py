"""Into a box as maintenance gets in: by the tunnel it dials itself when the coordinator calls."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.machine import MachineFailed

_BIN = Path(sys.executable).parent
_PATIENT = ("-o", "ConnectTimeout=60", "-o", "ServerAliveInterval=30", "-o", "ServerAliveCountMax=10")


class WayIn:
    """`run` does something on the box as root; `configuration` is the file for others who use SSH."""

    def __init__(self, unit: str, configuration: Path) -> None:
        self.configuration = configuration
        self._ssh = ["ssh", "-q", *_PATIENT, "-F", str(configuration), unit]

    def run(self, command: str, *, check: bool = True, limit_s: float = 300) -> str:
        """Give what a shell command prints. Raises :class:`MachineFailed`."""
        done = subprocess.run(
            [*self._ssh, "sudo", "sh", "-c", f"'{command}'"], capture_output=True, text=True, timeout=limit_s
        )
        if check and done.returncode != 0:
            raise MachineFailed(f"`{command[:120]}` ended with {done.returncode}: {done.stderr[-600:]}")
        return done.stdout + ("" if check else done.stderr)

    def bring(self, file: Path, path: str, limit_s: float = 1200) -> None:
        """Put a file there."""
        with file.open("rb") as data:
            subprocess.run([*self._ssh, f"sudo sh -c 'cat >{path}'"], stdin=data, check=True, timeout=limit_s)


@contextmanager
def way_in(state_dir: Path, unit: str) -> Iterator[WayIn]:
    """Call the unit; the line ends with the context."""
    command = [_BIN / "diemcau", "reach", unit, "--config", "--minutes", "60", "--state-dir", state_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as calling:
        try:
            assert calling.stdout is not None
            configuration = calling.stdout.readline().strip()
            if not configuration:
                raise MachineFailed(f"{unit} does not dial")
            yield WayIn(unit, Path(configuration))
        finally:
            calling.terminate()
