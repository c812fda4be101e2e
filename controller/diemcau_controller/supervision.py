"""One child process, kept alive: started, logged, started again with growing pauses, ended in time."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0  # a meeting waits for it
STEADY_S = 30.0  # a child that lived this long starts with the first pause again
_LARGEST_LOG = 20_000_000


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `argv` is found and complete; `fds` stay open in the child; `env` is added. `orphaned` is
    the signal it gets when the launcher dies; what has children of its own must end them then."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    fds: tuple[int, ...] = ()
    restart: bool = True
    orphaned: signal.Signals = signal.SIGKILL


class Child:
    """Keeps one program running until it is stopped. `changed` is called whenever :meth:`status` changes."""

    def __init__(self, program: Program, log_path: Path, changed: Callable[[], None]) -> None:
        self.program = program
        self._log_path = log_path
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._restarts = 0
        self._exit: int | None = None

    def status(self) -> dict[str, Any]:
        """`pid` (null while it does not run), `restarts`, `exit` (of the last run, negative: signal)."""
        pid = self._process.pid if self._process is not None else None
        return {"pid": pid, "restarts": self._restarts, "exit": self._exit}

    async def run(self) -> None:
        """Start it, and start it again when it ends, until :meth:`stop` (or at once, without `restart`)."""
        pause = FIRST_PAUSE_S
        name = self.program.name
        while not self._stopping:
            started = time.monotonic()
            await self._run_once()
            if self._stopping:
                return
            lived = time.monotonic() - started
            log.warning(
                "child ended",
                extra={
                    "child": name,
                    "exit": self._exit,
                    "lived_s": round(lived, 1),
                    "log": str(self._log_path),
                },
            )
            if not self.program.restart:
                return
            if lived >= STEADY_S:
                pause = FIRST_PAUSE_S
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))
            pause = min(pause * 2, LONGEST_PAUSE_S)
            self._restarts += 1

    async def _run_once(self) -> None:
        with self._log_file() as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    # Nothing outlives the launcher, however that ends.
                    "setpriv",
                    "--pdeathsig",
                    self.program.orphaned.name,
                    *self.program.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, **self.program.env},
                    pass_fds=self.program.fds,
                    start_new_session=True,  # Ctrl-C reaches the launcher only, which ends them in order
                )
            except OSError as error:
                log.error("cannot start", extra={"child": self.program.name, "error": str(error)})
                self._exit = 127
                return
        self._process = process
        self._changed()
        self._exit = await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # children that it left behind: they would keep its port
        self._process = None
        self._changed()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def start_again(self) -> None:
        """Have it end; :meth:`run` starts it again, unless it is one that stays down."""
        if self.program.restart:
            self.signal(signal.SIGTERM)

    async def stop(self, patience_s: float) -> None:
        """Ask it to end, and end it after `patience_s`."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), patience_s)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()

    def _log_file(self) -> BinaryIO:
        if self._log_path.exists() and self._log_path.stat().st_size > _LARGEST_LOG:
            self._log_path.replace(self._log_path.with_suffix(".log.1"))
        return self._log_path.open("ab")
