"""Keeps this unit's certificate good, and hears when the unit is none any more.

What is asked and believed is the business of a process of its own (`diemcau_agent.identity renew`); here is
when: at the start, twice a day, and when the line to the broker does not come up, because then it may be the
certificate, or the broker may not know us any more.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from diemcau_agent.ipc import Line

from .child import Begin, Child
from .lines import text
from .link import Link
from .state_folder import NoIdentity, StateFolder, read_identity

log = logging.getLogger(__name__)

EVERY_S = timedelta(hours=12).total_seconds()
DOWN_S = 12.0  # a line that is down for so long is a reason to ask
DENIED_S = 1.5  # a broker that refuses us is one at once
LONGEST_S = 900.0
ASK_LIMIT_S = 120.0
_LOOK_S = 1.0
GONE = ("replaced", "revoked")


class Renewal:
    """Asks now and then. `gone` is set when the controller said, and signed, that this unit is none any more;
    what it said lies in the state folder. `heard` gets each answer."""

    def __init__(
        self,
        folder: StateFolder,
        link: Link,
        *,
        heard: Callable[[Line], None],
        chance: Callable[[], float],
        begin: Begin = Child.start,
    ) -> None:
        self._folder, self._link, self._heard = folder, link, heard
        self._chance, self._begin = chance, begin
        self.gone = asyncio.Event()
        self.refused: Counter[str] = Counter()

    async def run(self) -> None:
        """Ask when it is time to, until this unit is none any more."""
        failures, anyway = 0, False
        while True:
            if await self._ask(anyway=anyway):
                return
            anyway = await self._until_time(failures)
            failures = min(failures + 1, 10) if anyway else 0

    async def _until_time(self, failures: int) -> bool:
        """Wait for the next reason to ask; True when it is that the line does not come up."""
        began = time.monotonic()
        down_since: float | None = None
        jitter = 0.5 + self._chance()
        while True:
            await asyncio.sleep(_LOOK_S)
            now = time.monotonic()
            if self._link.nonce is not None:
                down_since, failures = None, 0
            elif down_since is None:
                down_since = now
            elif now - down_since > min(
                LONGEST_S, (DENIED_S if self._link.denied else DOWN_S) * jitter * 2.0**failures
            ):
                return True
            if now - began > EVERY_S * (0.75 + 0.5 * self._chance()):
                return False

    async def _ask(self, *, anyway: bool) -> bool:
        """Ask once; True when this unit is none any more."""
        module = "diemcau_agent.identity"
        command = [sys.executable, "-m", module, "renew", "--state-dir", str(self._folder.root.absolute())]
        said: Line | None = None
        child = None
        try:
            async with asyncio.timeout(ASK_LIMIT_S):
                path = self._folder.run / "identity.sock"
                child = await self._begin("identity", [*command, *(["--anyway"] if anyway else [])], path)
                async for line in child.channel.lines():
                    said = line
        except (OSError, TimeoutError) as error:
            log.warning("nobody could be asked who we are", extra={"error": str(error)})
        finally:
            if child is not None:
                await asyncio.shield(asyncio.create_task(child.end(1), name="end of identity"))
        return said is not None and said["type"] == "verdict" and self._obey(said)

    def _obey(self, said: Line) -> bool:
        verdict = text(said, "verdict", 20)
        if verdict != "not_due":
            log.info("asked who we are", extra={"verdict": verdict, "text": text(said, "text", 300)})
        self._heard(said)
        if verdict == "foreign":
            self.refused["statement"] += 1
        if verdict == "certificate":
            try:
                self._link.again(read_identity(self._folder))
            except NoIdentity as error:
                log.error("the renewed identity cannot be read", extra={"error": str(error)})
        if verdict in GONE and self._folder.farewell.exists():
            self.gone.set()
            return True
        return False
