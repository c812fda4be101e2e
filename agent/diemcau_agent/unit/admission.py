"""A box without identity: keeps the identity process going, and tells the hall how far it is.

What it takes to be admitted is done there (`diemcau_agent.identity`); here is what needs the screen, the
camera and the services with more rights.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from diemcau_agent.ipc import Garbage, Line
from diemcau_agent.rules.enrolling import Progress, Step, show

from .child import Begin, Child, Running
from .lines import flag, text
from .scanning import Scanner
from .screen_process import ScreenProcess
from .state_folder import StateFolder, write_atomically
from .supervise import Pauses

log = logging.getLogger(__name__)

CLOCK_OFF_S = 60.0  # a clock that is wrong by more is set, where somebody may
END_LIMIT_S = 2.0
LAST_WORD = ("certificate", "replaced", "revoked")


class Admission:
    """One box on its way to be a unit. `began` starts the identity process (a test: another one)."""

    def __init__(
        self,
        folder: StateFolder,
        screen: ScreenProcess,
        scanner: Callable[[Callable[[dict[str, Any]], None], Callable[[str], None]], Scanner],
        *,
        chance: Callable[[], float],
        begin: Begin = Child.start,
    ) -> None:
        self._folder, self._screen, self._begin = folder, screen, begin
        self._pauses = Pauses(chance, first_s=1, longest_s=30)
        self._scanner = scanner(self._camera_is, self._scanned)
        self._child: Running | None = None
        self._camera: dict[str, Any] = {}
        self._ahead_s = 0.0
        self._ended = asyncio.Event()
        self.progress = Progress()
        self.refused: Counter[str] = Counter()

    async def run(self) -> None:
        """Go on until the controller has said who this is; the state folder says what it said."""
        self._show()
        scanning = asyncio.create_task(self._scanner.run(), name="scanner")
        try:
            while not self._ended.is_set():
                began = time.monotonic()
                try:
                    await self._once()
                except OSError as error:
                    log.error("the identity process cannot be started", extra={"error": str(error)})
                if self._ended.is_set():
                    return
                log.warning("the identity process ended early")
                self._change(self.progress.failed(self.progress.step, "internal"))
                await asyncio.sleep(self._pauses.after(time.monotonic() - began))
        finally:
            scanning.cancel()
            await asyncio.wait({scanning})

    def status(self) -> Line:
        """What `diemcau-agent status --json` says of it."""
        progress = self.progress
        until = progress.until.isoformat(timespec="seconds") if progress.until and progress.code else None
        return {
            "enrolment": {
                "step": progress.step.value,
                "why": progress.why,
                "remark": progress.remark,
                "code": progress.code,
                "until": until,
                "serial": progress.serial,
                "clock_ahead_s": self._ahead_s,
            },
            "processes": [{"role": "identity", "pid": self._child.pid}] if self._child else [],
            "refused": dict(self.refused),
        }

    async def _once(self) -> None:
        module = "diemcau_agent.identity"
        command = [sys.executable, "-m", module, "enrol", "--state-dir", str(self._folder.root.absolute())]
        child = self._child = await self._begin("identity", command, self._folder.run / "identity.sock")
        try:
            async for line in child.channel.lines():
                try:
                    self._hear(line)
                except Garbage as error:
                    self.refused["line"] += 1
                    log.warning("line of the identity process refused", extra={"error": str(error)})
        finally:
            self._child = None
            self.refused["line"] += child.channel.refused
            await asyncio.shield(asyncio.create_task(child.end(END_LIMIT_S), name="end of identity"))

    def _hear(self, line: Line) -> None:
        progress = self.progress
        match line["type"]:
            case "step":
                self._change(progress.doing(_step(line)))
            case "failed":
                where, number = text(line, "where"), text(line, "line", 10)
                if line.get("why") == "foreign_statement":
                    self.refused["statement"] += 1
                self._change(progress.failed(_step(line), text(line, "why", 40), where=where, line=number))
            case "code":
                digits, qr, remark = text(line, "code", 9), text(line, "qr", 300), text(line, "remark", 40)
                if not (len(digits) == 9 and digits.isascii() and digits.isdigit()):
                    raise Garbage("code is not nine digits")
                self._change(progress.coded(digits, _time(line, "until"), qr, remark))
            case "prepared":
                self._change(
                    progress.prepared(text(line, "whom"), text(line, "phone", 40), text(line, "serial", 64))
                )
            case "clock":
                self._clock(line)
            case "scan":
                self._scanner.want(flag(line, "wanted"))
            case "network":
                self._ask_for_network({key: text(line, key, 100) for key in ("ssid", "password", "apn")})
            case "verdict":
                verdict = text(line, "verdict", 20)
                if verdict not in LAST_WORD:
                    raise Garbage(f"unknown verdict {verdict!r}")
                if verdict == "certificate":
                    self._change(progress.admitted(text(line, "site_name")))
                self._ended.set()
            case other:
                raise Garbage(f"unknown line {other[:40]!r}")

    def _clock(self, line: Line) -> None:
        ahead_s = line.get("ahead_s")
        if isinstance(ahead_s, bool) or not isinstance(ahead_s, int | float) or abs(ahead_s) > 1e10:
            raise Garbage("ahead_s is not a number of seconds")
        self._ahead_s = float(ahead_s)
        if abs(ahead_s) > CLOCK_OFF_S:
            log.warning("the clock is wrong", extra={"ahead_s": ahead_s})
            ask_for_time(self._folder, ahead_s)
        self._show()

    def _ask_for_network(self, network: dict[str, str]) -> None:
        """Whoever may set up a Wi-Fi or a mobile line is asked to (agent/systemd/diemcau-network.service)."""
        if self._folder.requests is None:
            log.warning("nobody here may set up a network line")
            return
        try:
            content = json.dumps(network, ensure_ascii=False).encode()
            write_atomically(self._folder.requests / "network", content, mode=0o600)
        except OSError as error:
            log.error("a network line cannot be asked for", extra={"error": str(error)})

    # ── what the hall sees ───────────────────────────────────────────────────────────────────────

    def _camera_is(self, camera: dict[str, Any]) -> None:
        self._camera = camera
        self._show()

    def _scanned(self, code: str) -> None:
        if self._child is not None:
            self._child.channel.send({"type": "scanned", "text": code[:4000]})

    def _change(self, progress: Progress) -> None:
        if progress != self.progress:
            log.info("enrolment", extra={"step": progress.step.value, "why": progress.why})
            self.progress = progress
            self._show()

    def _show(self) -> None:
        lined = self.progress.step is not Step.LINE and self.progress.why != "unreachable"
        self._screen.show(show(self.progress, clock_ahead_s=self._ahead_s, link=lined, notice=self._camera))


def ask_for_time(folder: StateFolder, ahead_s: float) -> None:
    """Ask who may to set the clock (agent/systemd/diemcau-clock.service), and to what where nobody else
    tells the time."""
    if folder.requests is None:
        return
    right = datetime.now(UTC) - timedelta(seconds=ahead_s)
    try:
        write_atomically(folder.requests / "set-clock", str(round(right.timestamp())).encode())
    except OSError as error:
        log.error("the right time cannot be asked for", extra={"error": str(error)})


def _step(line: Line) -> Step:
    try:
        return Step(text(line, "step", 20))
    except ValueError:
        raise Garbage("unknown step") from None


def _time(line: Line, key: str) -> datetime:
    try:
        at = datetime.fromisoformat(text(line, key, 40))
        if at.tzinfo is None:
            raise ValueError("no time zone")
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Garbage(f"{key}: {error}") from None
