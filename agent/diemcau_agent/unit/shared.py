"""What others on this machine may know of the unit: its meetings, whose it is. In a folder of its own.

Whoever works on the machine decides by `agenda.json` alone (`rules/lease.py`), also while this process is
dead. So it is written as soon as anything changed, and kept over reboots.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from diemcau_wire import Refused
from diemcau_wire.enrolment import take
from diemcau_wire.messages import Part

from diemcau_agent.rules.lease import Agenda, planned
from diemcau_agent.this_boot import boot_id

from .desired import Desired
from .state_folder import Identity, StateFolder, write_atomically

log = logging.getLogger(__name__)

LOOK_S = 2.0
AFRESH = timedelta(hours=1)  # how far a clock that was lost can be behind without showing
READABLE = 0o640


class Shared:
    """Keeps that folder as things are. `in_meeting` gives the meeting the unit is in, `over` those it has
    left for good, `checking_until` when a check that runs is over at the latest, `clock_ok` whether the
    clock is right for all that is known."""

    def __init__(
        self,
        folder: StateFolder,
        identity: Identity,
        version: str,
        desired: Desired,
        *,
        in_meeting: Callable[[], str | None],
        over: Callable[[], Collection[str]],
        checking_until: Callable[[], datetime | None],
        clock_ok: Callable[[], bool],
    ) -> None:
        self._folder, self._identity, self._version, self._desired = folder, identity, version, desired
        self._in_meeting, self._over = in_meeting, over
        self._checking_until, self._clock_ok = checking_until, clock_ok
        self._written = _former(folder)
        self._left_at = self._written.left_at if self._written else None
        self._boot = _boot()
        self._inside: str | None = None
        self._whose = (b"", b"")
        self._failed = False

    async def run(self) -> None:
        """Look every two seconds: also for what only time changes."""
        while True:
            self.look()
            self._tell_whose()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Write the agenda if it is another now, or the one that was written is old."""
        now, inside = datetime.now(UTC), self._in_meeting()
        if self._inside is not None and inside != self._inside:
            self._left_at = now
        self._inside = inside
        clock_ok = self._clock_ok()
        if clock_ok and self._left_at is not None and self._left_at > now:  # by a clock that was ahead
            self._left_at = now
        schedule = self._desired.schedule
        known = schedule.until if schedule and schedule.epoch == self._desired.epoch else None
        meetings, until = planned(self._desired.meetings, self._over(), known)
        agenda = Agenda(
            written_at=now,
            version=self._version,
            boot=self._boot,
            clock_ok=clock_ok,
            until=until,
            in_meeting=inside,
            left_at=self._left_at,
            checking_until=self._checking_until(),
            meetings=meetings,
        )
        old = self._written
        fresh = old is not None and timedelta(0) <= now - old.written_at < AFRESH
        if fresh and old is not None and agenda == old.model_copy(update={"written_at": now}):
            return
        if self._write("agenda.json", agenda.model_dump_json(exclude_none=True).encode()):
            self._written = agenda

    def write(self, name: str, document: Part) -> bool:
        """Write another file there; whether the disk took it."""
        return self._write(name, document.model_dump_json(exclude_none=True).encode())

    def _tell_whose(self) -> None:
        """Who this unit is, who vouches for its coordinator, and where releases may be nearer."""
        identity = self._identity
        config = self._desired.config
        said = {"v": 1, "unit": identity.unit, "site": self._desired.site, "web_url": identity.web_url}
        said |= {"neighbour": config.updates.neighbour if config is not None else None}
        try:
            whose = (json.dumps(said).encode(), identity.ca.read_bytes())
        except OSError as error:
            log.warning("the roots cannot be read", extra={"error": str(error)})
            return
        if whose == self._whose:
            return
        if self._write("ca.crt", whose[1]) and self._write("coordinator.json", whose[0]):
            self._whose = whose

    def _write(self, name: str, data: bytes) -> bool:
        try:
            write_atomically(self._folder.shared / name, data, mode=READABLE)
        except OSError as error:
            if not self._failed:
                log.error("what others may know cannot be written", extra={"file": name, "error": str(error)})
            self._failed = True
            return False
        self._failed = False
        return True


def _boot() -> str:
    """ "" where the kernel does not say: then what is written counts as another start's."""
    try:
        return boot_id()
    except OSError as error:
        log.warning("this start of the machine has no name", extra={"error": str(error)})
        return ""


def _former(folder: StateFolder) -> Agenda | None:
    """What was written before this process started."""
    try:
        return take(Agenda, (folder.shared / "agenda.json").read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, Refused) as error:
        log.warning("the former agenda cannot be read", extra={"error": str(error)})
        return None
