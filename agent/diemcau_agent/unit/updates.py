"""The updater and this unit: it asks for a check of the room, and what it says is passed on.

The updater is another process, of another user, and reaches nothing of ours: it leaves a question in a folder
of its own and reads the answer in the folder that others may read (`shared.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from diemcau_wire import Refused
from diemcau_wire.enrolment import take
from diemcau_wire.messages import EventKind

from diemcau_agent.rules.updating import Check, State
from diemcau_agent.rules.verdict import Readiness, Verdict

from .shared import Shared
from .state_folder import StateFolder, write_atomically

log = logging.getLogger(__name__)

LOOK_S = 2.0
_MAX_BYTES = 64 * 1024


class Updates:
    """Looks what the updater wants and says. `ask_check` has the room checked and says why not, as a stable
    word; `check_done` waits for it; `readiness` is what the last one came to; `record` keeps an event."""

    def __init__(
        self,
        folder: StateFolder,
        version: str,
        shared: Shared,
        *,
        ask_check: Callable[[], str | None],
        check_done: Callable[[], Awaitable[Readiness]],
        readiness: Callable[[], Readiness],
        record: Callable[[EventKind, str | None, dict[str, object]], None],
    ) -> None:
        self._folder, self._version, self._shared = folder, version, shared
        self._ask_check, self._check_done, self._readiness = ask_check, check_done, readiness
        self._record = record
        self._answered = ""
        self._told = _read(folder.update_told)

    async def run(self) -> None:
        """Look every two seconds."""
        while True:
            self._pass_on()
            await self._answer()
            await asyncio.sleep(LOOK_S)

    async def _answer(self) -> None:
        question = _read(self._folder.update_requests / "check")
        if not question or question == self._answered:
            return
        former, found = self._readiness(), tuple[str, ...]()
        busy = self._ask_check() or ""
        if not busy:
            readiness = await self._check_done()
            found = tuple(finding.what for finding in readiness.findings if not finding.mended)[:63]
            if readiness is former or readiness.verdict is Verdict.UNKNOWN:  # somebody in the hall ended it
                found = ("check_incomplete", *found)
        try:
            check = Check(
                at=datetime.now(UTC), version=self._version, answers=question, busy=busy, found=found
            )
        except ValueError as error:
            log.warning("a question of the updater's is none", extra={"error": str(error)[:200]})
            self._answered = question
            return
        self._shared.look()  # that no check runs any more is there before its answer
        if self._shared.write("check.json", check) and not busy:
            self._answered = question

    def _pass_on(self) -> None:
        """Tell the coordinator how far the update is, each step once."""
        try:
            state = take(State, self._folder.update_state.read_bytes()[:_MAX_BYTES])
        except FileNotFoundError:
            return
        except (OSError, Refused) as error:
            log.debug("what the updater says cannot be read", extra={"error": str(error)})
            return
        mark = f"{state.order} {state.seq}"
        if mark == self._told or state.seq == 0:
            return
        said: dict[str, object] = {"step": state.step.value, "version": state.version, "why": state.why}
        self._record(EventKind.UPDATE, None, {**said, "from": state.former, "text": state.text[:300]})
        self._told = mark
        with contextlib.suppress(OSError):  # it would be told once more after the next start, no more
            write_atomically(self._folder.update_told, mark.encode())


def _read(path: Path) -> str:
    """A short text; "" when there is none."""
    try:
        return path.read_bytes()[:200].decode("ascii", "replace").strip()
    except OSError:
        return ""
