"""Starts a media process for each meeting, each check and each chime, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diemcau_wire.messages import EventKind

from diemcau_agent.drivers.pactl import SoundServerLost
from diemcau_agent.drivers.pulse_echo import forget_the_dead
from diemcau_agent.ipc import Garbage, Line

from .child import Begin, Child, Running
from .janus_line import JanusLine
from .lines import measured as values_measured
from .lines import text

log = logging.getLogger(__name__)

DEVICE_LOST = (EventKind.CAMERA_LOST, EventKind.MICROPHONE_LOST)
LEAVE_LIMIT_S = 2.5
START_LIMIT_S = 30.0  # until the first line of one that measures
SILENT_S = 10.0  # it says something every second


class NoAnswer(Exception):
    """A question to the media process has no answer. `why`: `silent`, `lost`, or `interrupted` by what
    goes before it."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


class MediaProcess:
    """The media process, when there is one; never two at a time, because they share the camera.

    `heard` gets every line of the one that attends a meeting or checks; `ended` is told the reason
    and a text once, when the one that attends a meeting fails or ends without being asked to. It reaches
    Janus by `line`; without one it connects itself, and can show no certificate.
    """

    def __init__(
        self,
        command: Sequence[str],
        path: Path,
        *,
        heard: Callable[[Line], None],
        ended: Callable[[str, str], None],
        begin: Begin = Child.start,
        line: JanusLine | None = None,
    ) -> None:
        self._line = line
        self._command, self._path, self._heard, self._ended = command, path, heard, ended
        self._begin = begin
        self._orders: asyncio.Queue[Callable[[], object] | Line | None] = asyncio.Queue()
        self._lock = asyncio.Lock()  # one coroutine at a time starts or ends a child
        self._listener: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[Line] | None = None
        self.child: Running | None = None
        self.refused = 0

    async def run(self) -> None:
        """Carry out the orders for meetings, one after the other."""
        try:
            while True:
                order = await self._orders.get()
                try:
                    await self._carry_out(order)
                finally:
                    self._orders.task_done()
        finally:
            await asyncio.shield(asyncio.create_task(self._end(0), name="end of media"))

    def start(self, start: Line) -> None:
        """Have a fresh process attend a meeting or sound a chime, given the `start` or `chime` line."""
        self.interrupt()
        self._orders.put_nowait(self._by_line(start))

    def send(self, line: Line) -> None:
        """Pass a line on to the process started last."""
        self._orders.put_nowait(lambda: self._pass_on(line))

    def _pass_on(self, line: Line) -> None:
        if self.child is not None:
            self.child.channel.send(line)

    def stop(self, *, politely: bool) -> None:
        """Have it leave, or end it at once. Nothing is heard of it any more."""
        self._detach()
        if politely:
            self.send({"type": "stop"})
            self._orders.put_nowait(None)
        else:
            self._orders.put_nowait(None)
            if self.child is not None:
                self.child.signal(signal.SIGKILL)

    async def settled(self) -> None:
        """Wait until every order so far is carried out."""
        await self._orders.join()

    async def check(
        self,
        check: Line,
        limit_s: float,
        measured: Callable[[str, dict[str, Any]], None],
        hear: Callable[[Line], None],
    ) -> str | None:
        """Have a process of its own measure for a check; each part goes to `measured`, other lines to `hear`.

        None when it came to its end, otherwise what was wrong with the process; it is gone either way. Raises
        TimeoutError after `limit_s`.
        """
        self.interrupt()
        async with asyncio.timeout(limit_s), self._lock:
            try:
                return await self._check(check, measured, hear)
            except OSError as error:
                return str(error)[:200]
            finally:
                await asyncio.shield(asyncio.create_task(self._end(0), name="end of check"))

    async def ask(self, question: Line, answered: str, limit_s: float) -> Line:
        """One question to a process of its own, for at most `limit_s`: gives the line of type `answered`.

        Whatever else a media process is wanted for goes first. Raises :class:`NoAnswer`.
        """
        if self._asking is not None or self._lock.locked():
            raise NoAnswer("interrupted", "a media process is at work already")
        self._asking = asyncio.create_task(self._ask(question, answered), name="question")
        try:
            async with asyncio.timeout(limit_s):
                return await self._asking
        except TimeoutError:
            raise NoAnswer("silent", f"no answer within {limit_s:.0f} s") from None
        except (OSError, Garbage) as error:
            raise NoAnswer("lost", str(error)[:200]) from None
        except asyncio.CancelledError:
            if self._asking.cancelled() and not _cancelling():
                raise NoAnswer("interrupted", "the media process is needed for something else") from None
            raise
        finally:
            self._asking = None

    def interrupt(self) -> None:
        """End the question that is being asked, if there is one, at once."""
        if self._asking is not None:
            self._asking.cancel()
            if self.child is not None:
                self.child.signal(signal.SIGKILL)

    def _by_line(self, order: Line) -> Line:
        """The order, with the line by which Janus is reached."""
        ways = [way["url"] for key in ("join", "check_room") if (way := order.get(key)) is not None]
        return {**order, "line": self._line.open_to(ways)} if self._line is not None and ways else order

    # ── one process ──────────────────────────────────────────────────────────────────────────────

    async def _ask(self, question: Line, answered: str) -> Line:
        async with self._lock:
            try:
                child = self.child = await self._begin("media", self._command, self._path)
                child.channel.send(question)
                async for line in child.channel.lines():
                    if line["type"] == answered:
                        return line
                    self._heard(line)
                code = await child.ended()
                raise OSError(f"the media process ended with {code}")
            finally:
                await asyncio.shield(asyncio.create_task(self._end(0), name="end of question"))

    async def _check(
        self, check: Line, measured: Callable[[str, dict[str, Any]], None], hear: Callable[[Line], None]
    ) -> str | None:
        await self._end(0)
        child = self.child = await self._begin("media", self._command, self._path)
        child.channel.send(self._by_line(check))
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(START_LIMIT_S) as limit:
                async for line in child.channel.lines():
                    limit.reschedule(asyncio.get_running_loop().time() + SILENT_S)
                    match line["type"]:
                        case "checked":
                            return None
                        case "measured":
                            self._take(line, measured)
                        case _:
                            hear(line)
                code = await child.ended()
        except TimeoutError:
            after_s = asyncio.get_running_loop().time() - began
            return f"the media process fell silent, {after_s:.0f} s after its start"
        return f"the media process ended with {code}"

    def _take(self, line: Line, measured: Callable[[str, dict[str, Any]], None]) -> None:
        try:
            measured(*values_measured(line))
        except Garbage as error:
            self.refused += 1
            log.warning("line of the media process refused", extra={"error": str(error)})

    async def _carry_out(self, order: Callable[[], object] | Line | None) -> None:
        if callable(order):
            order()
            return
        async with self._lock:
            await self._end(LEAVE_LIMIT_S if order is None else 0)
            if order is not None:
                await self._start(order)

    async def _start(self, start: Line) -> None:
        try:
            child = self.child = await self._begin("media", self._command, self._path)
        except OSError as error:
            log.error("the media process cannot be started", extra={"error": str(error)})
            self._ended("not_started", str(error))
            return
        log.info("the media process runs", extra={"child": child.pid, "meeting": start.get("meeting")})
        child.channel.send(start)
        if start["type"] == "chime":  # nothing depends on how it ends
            return
        self._listener = asyncio.create_task(self._listen(child), name="media")

    async def _listen(self, child: Running) -> None:
        async for line in child.channel.lines():
            if line["type"] == "fault" and line.get("what") not in DEVICE_LOST:
                try:
                    why, what = text(line, "what", 60), text(line, "text")
                except Garbage as error:
                    why, what = "internal", str(error)
                self._ended(why, what)
                return
            self._heard(line)
        code = await child.ended()
        self._ended("ended", f"exit code {code}")

    def _detach(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None

    async def _end(self, patience_s: float) -> None:
        self._detach()
        child, self.child = self.child, None
        if child is not None:
            code = await child.end(patience_s)
            self.refused += child.channel.refused
            log.info("the media process ended", extra={"child": child.pid, "code": code})
            if code != 0:
                threading.Thread(target=_clear_sound, name="sound", daemon=True).start()


def _clear_sound() -> None:
    """What a process that was killed left in the sound server would keep the microphone open."""
    with contextlib.suppress(SoundServerLost):
        forget_the_dead()


def _cancelling() -> bool:
    """True when it is the running task itself that is to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
