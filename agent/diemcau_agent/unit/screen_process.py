"""Keeps the screen process running and tells it what to show."""

from __future__ import annotations

import asyncio
import itertools
import logging
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from diemcau_agent.ipc import Garbage, Line

from .child import Begin, Child, Running
from .lines import slots_shown
from .supervise import Pauses

log = logging.getLogger(__name__)

START_LIMIT_S = 30  # until its first line
SILENT_S = 15  # it says something every second
SNAPSHOT_LIMIT_S = 5
EXIT_LIMIT_S = 1  # from hanging up to its end: its exit code says why


class ScreenProcess:
    """The screen process, for ever; `command` starts one.

    `shown` is what its last `stats` said: (site, frames) per slot. `pictures` is a folder where it may
    write, when it is of another user and may not write where we do.
    """

    def __init__(
        self,
        command: Callable[[], Sequence[str]],
        path: Path,
        *,
        restart: bool,
        chance: Callable[[], float],
        ended: Callable[[int], None],
        begin: Begin = Child.start,
        pictures: Path | None = None,
    ) -> None:
        self._command, self._path, self._restart, self._ended = command, path, restart, ended
        self._begin, self._pictures = begin, pictures
        self._pauses = Pauses(chance, first_s=0.4, longest_s=10)
        self._over: Callable[[Line], Line] | None = None
        self._last: Line | None = None
        self._snapshots: dict[str, asyncio.Future[Line]] = {}
        self._number = itertools.count(1)
        self.child: Running | None = None
        self._ready = asyncio.Event()
        self._wanted_end = False
        self._running: tuple[str, ...] = ()
        self.refused = 0
        self.shown: list[tuple[str | None, int]] = []

    async def run(self) -> None:
        """Start it, listen to it, start it again when it ends or falls silent."""
        while True:
            began = time.monotonic()
            code: int | None = None
            try:
                code = await self._once()
            except OSError as error:
                log.error("the screen process cannot be started", extra={"error": str(error)})
            if self._wanted_end:
                continue
            if code is not None:
                log.warning("the screen process ended", extra={"code": code})
                self._ended(code)
            if not self._restart:
                return
            await asyncio.sleep(self._pauses.after(time.monotonic() - began))

    def serve(
        self,
        command: Callable[[], Sequence[str]],
        ended: Callable[[int], None],
        over: Callable[[Line], Line] | None = None,
    ) -> None:
        """Work for somebody else from now on: how it is started the next time, who hears of its end, and what
        is laid `over` each line that is shown. What is on the screen stays until the next line."""
        self._command, self._ended, self._over = command, ended, over

    def show(self, line: Line) -> None:
        """Have `line` shown from now on, over every restart. The same again is not sent again."""
        if self._over is not None:
            line = self._over(line)
        if line != self._last:
            self._last = line
            if self.child is not None:
                self.child.channel.send(line)

    async def snapshot(self, path: Path) -> Line:
        """Have a PNG of the screen written to `path`; gives the answer (`ok`, `width`, `height`, `error`)."""
        if self.child is None or not self.child.alive:
            return {"ok": False, "error": "The screen process does not run."}
        name = f"s{next(self._number)}"
        taken = self._pictures / f"{name}.png" if self._pictures else path.absolute()
        answer: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
        self._snapshots[name] = answer
        try:
            self.child.channel.send({"type": "snapshot", "id": name, "path": str(taken)})
            async with asyncio.timeout(SNAPSHOT_LIMIT_S):
                said = await answer
            if self._pictures and said.get("ok") is True:
                shutil.move(taken, path)
            return said
        except TimeoutError:
            return {"ok": False, "error": "The screen process does not answer."}
        except OSError as error:
            return {"ok": False, "error": f"{path} cannot be written: {error.strerror}"}
        finally:
            del self._snapshots[name]

    def renew(self, *, only_if_changed: bool = False) -> None:
        """Have a fresh one take over at once; `only_if_changed`: when it is to be started otherwise now."""
        if self.child is None or (only_if_changed and self._running == tuple(self._command())):
            return
        self._wanted_end = True
        self.child.signal(signal.SIGKILL)

    async def ready(self, timeout_s: float) -> bool:
        """Wait until the screen said that it is ready; False when it does not within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ready.wait()
        except TimeoutError:
            return False

    async def _once(self) -> int:
        self._running, self._wanted_end = tuple(self._command()), False
        child = self.child = await self._begin("screen", self._running, self._path)
        log.info("the screen process runs", extra={"child": child.pid})
        patience_s = 0.0
        try:
            if self._last is not None:
                child.channel.send(self._last)
            async with asyncio.timeout(START_LIMIT_S) as limit:
                async for line in child.channel.lines():
                    limit.reschedule(asyncio.get_running_loop().time() + SILENT_S)
                    self._hear(line)
            patience_s = EXIT_LIMIT_S
        except TimeoutError:
            log.error("the screen process fell silent", extra={"child": child.pid})
        finally:
            self.child, self.shown = None, []
            self.refused += child.channel.refused
            self._ready.clear()
            for answer in self._snapshots.values():
                if not answer.done():
                    answer.set_result({"ok": False, "error": "The screen process ended."})
            code = await asyncio.shield(asyncio.create_task(child.end(patience_s), name="end of screen"))
        return code

    def _hear(self, line: Line) -> None:
        try:
            match line["type"]:
                case "ready":
                    self._ready.set()
                    log.info("the screen is ready", extra={"driver": line.get("driver")})
                case "stats":
                    self.shown = slots_shown(line)
                case "snapshot":
                    answer = self._snapshots.get(str(line.get("id")))
                    if answer is not None and not answer.done():
                        answer.set_result(line)
                case other:
                    raise Garbage(f"unknown line {other[:40]!r}")
        except Garbage as error:
            self.refused += 1
            log.warning("line of the screen process refused", extra={"error": str(error)})
