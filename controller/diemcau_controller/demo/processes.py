"""The demonstration's processes: started with a log of their own, started again, ended in order.

None outlives this one, however it ends: the kernel kills them with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_PAUSE_S = 1.0


class Process:
    """A program that is kept running by calling :meth:`tend` now and then."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        restart: bool = True,
        env: Mapping[str, str] | None = None,
        fds: Sequence[int] = (),
    ) -> None:
        self.name, self.restart, self.log = name, restart, log
        self._argv, self._env, self._fds = argv, {**os.environ, **(env or {})}, fds
        self.exits: list[int] = []
        self._again_at = 0.0
        self._start()

    @property
    def running(self) -> bool:
        """True while it runs."""
        return self._process.poll() is None

    def tend(self) -> None:
        """Start it again when it ended, unless it shall stay down."""
        code = self._process.poll()
        if code is None:
            return
        if self._again_at == 0.0:
            self.exits.append(code)
            self._again_at = time.monotonic() + _PAUSE_S
        if self.restart and time.monotonic() >= self._again_at:
            self._start()

    def last_words(self, lines: int = 3) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def _start(self) -> None:
        self._again_at = 0.0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._env,
                pass_fds=self._fds,
                start_new_session=True,  # Ctrl-C is ours alone
            )

    def ask_to_end(self) -> None:
        """SIGTERM."""
        self.restart = False
        if self.running:
            self._process.send_signal(signal.SIGTERM)

    def end(self, patience_s: float) -> None:
        """Wait for its end, and force it after `patience_s`."""
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def end_all(processes: Iterable[Process], patience_s: float = 6) -> None:
    """End them together."""
    processes = list(processes)
    deadline = time.monotonic() + patience_s
    for process in processes:
        process.ask_to_end()
    for process in processes:
        process.end(max(0.1, deadline - time.monotonic()))
