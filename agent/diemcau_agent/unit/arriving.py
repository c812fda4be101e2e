"""A unit that was admitted just now: its room is checked for the first time, and the hall sees how far it is.

Whether it still has to be is a file, so that a power cut on the way changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from diemcau_agent.ipc import Line
from diemcau_agent.rules.enrolling import Arrival, Progress, Step
from diemcau_agent.rules.verdict import Verdict

from .fingerprints import SERIAL, look, sysfs
from .state_folder import StateFolder, remove

log = logging.getLogger(__name__)

TRY_AGAIN_S = 2.0
_ELSEWHERE = ("meeting", "reconnecting", "goodbye", "held")


class Arriving:
    """Lays the way so far over what the hall would see, until it is done. `ask_check` has the room checked
    and says why not, as a stable word; `configured` says whether there is a configuration."""

    def __init__(
        self,
        folder: StateFolder,
        *,
        ask_check: Callable[[], str | None],
        configured: Callable[[], bool],
    ) -> None:
        self._folder, self._ask_check, self._configured = folder, ask_check, configured
        self._asked = False
        self._arrival: Arrival | None = None
        if folder.arriving.exists():
            name = folder.arriving.read_bytes().decode("utf-8", "replace")[:200]
            serial = look(folder.root, sysfs(), SERIAL).serial
            progress = Progress(step=Step.CONFIGURATION, site_name=name, serial=serial)
            self._arrival = Arrival(progress, datetime.now(UTC))

    async def run(self) -> None:
        """Have the room checked once the configuration is there."""
        while self._arrival is not None and not self._arrival.over:
            if self._configured() and not self._asked:
                refused = self._ask_check()
                self._asked = refused is None
                if refused is not None:
                    log.info("the first check waits", extra={"why": refused})
            await asyncio.sleep(TRY_AGAIN_S)
        if self._arrival is not None:
            self._arrival = None
            try:
                remove(self._folder.arriving)
            except OSError as error:
                log.error("that this unit has arrived cannot be stored", extra={"error": str(error)})

    def over(self, line: Line) -> Line:
        """What the hall sees in place of `line`."""
        if self._arrival is None:
            return line
        progress = self._arrival.look(
            datetime.now(UTC),
            configured=self._configured(),
            verdict=Verdict(line["readiness"]["verdict"]),
            attending=line["view"] in _ELSEWHERE or line["urgent"] is not None,
            asked=self._asked,
        )
        if progress is None:
            return line
        if self._configured():  # the site is named above by now
            return {**line, "view": "enrolling", "enrolling": {**progress.shown(), "site_name": ""}}
        return {**line, "view": "enrolling", "site": None, "enrolling": progress.shown()}
