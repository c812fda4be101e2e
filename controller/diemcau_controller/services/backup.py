"""The nightly backup, and whether the list of changes still holds together."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import select

from ..actions.backup import BackupFailed, backups_in, make_backup
from ..actions.controller import ChainSeen, Controller
from ..rules import backups
from ..rules.audit_chain import Verdict, steps
from ..rules.gate import Mode
from ..store.chain import ChainUnreadable, chained_rows, verdict_line
from ..store.tables import Meeting, Occurrence

LOOK_S = 60.0
CHAIN_EVERY_S = 24 * 3600.0
_AGAIN = timedelta(minutes=30)
_ROWS_AT_A_TIME = 200
_PAUSE_S = 0.005
_NICE = 10

T = TypeVar("T")

log = logging.getLogger(__name__)


class NightlyBackup:
    """Makes the backup when it is due, and says how it stands (`controller.backup`)."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._error = ""
        self._not_before: datetime | None = None

    async def look(self) -> None:
        """Make a backup if one is due; note how it stands."""
        controller = self._controller
        wanted, now = controller.settings.backup, controller.now()
        if not wanted.folder:
            controller.backup = backups.state_of(False, None, "", now)
            return
        folder = Path(wanted.folder)
        try:
            last = await asyncio.to_thread(_newest, folder)
            if self._due(last, now):
                self._not_before = now + _AGAIN
                await _aside("backup", lambda: self._make(folder, now))
                last, self._error = now, ""
        except (BackupFailed, OSError) as error:
            self._error = str(error)
            log.error("no backup", extra={"error": self._error})
            last = controller.backup.last
        else:
            if last is not None and self._error and last > now - backups.TOO_OLD:
                self._error = ""  # somebody made one by hand meanwhile
        controller.backup = backups.state_of(True, last, self._error, now)

    def _due(self, last: datetime | None, now: datetime) -> bool:
        if self._not_before is not None and now < self._not_before:
            return False
        settings = self._controller.settings
        return backups.due(
            now, settings.backup.at, settings.zone, last, meeting=_meeting_runs(self._controller, now)
        )

    def _make(self, folder: Path, now: datetime) -> None:
        wanted = self._controller.settings.backup
        make_backup(self._controller.state, folder, list(wanted.recipients), now, keep=wanted.keep)


async def check_chain(controller: Controller) -> None:
    """Look through the whole list of changes and note what was found (`controller.chain`)."""
    try:
        verdict = await _aside("audit chain", lambda: _look_through(controller.state.database))
    except ChainUnreadable as error:
        log.error("the list of changes cannot be looked through", extra={"error": str(error)})
        return
    controller.chain = ChainSeen(verdict, controller.now())
    if verdict.whole:
        log.info("list of changes", extra={"rows": verdict.rows, "head": str(verdict.head)})
    else:
        log.error("list of changes", extra={"error": verdict_line(verdict)})


def _look_through(database: Path) -> Verdict:
    """A little at a time: a million rows must not hold up the floor of a meeting."""
    verdict = Verdict()
    for number, _ in enumerate(steps(chained_rows(database), verdict)):
        if number % _ROWS_AT_A_TIME == 0:
            time.sleep(_PAUSE_S)
    return verdict


def _newest(folder: Path) -> datetime | None:
    found = backups_in(folder)
    return found[0].made_at if found else None


def _meeting_runs(controller: Controller, now: datetime) -> bool:
    """From the opening of its room until it is over; one that only holds the halls does not count."""
    running = (
        select(Occurrence.id)
        .join(Meeting, Meeting.id == Occurrence.meeting_id)
        .where(Occurrence.opens_at <= now, Occurrence.cap_at > now, Occurrence.finished_at.is_(None))
        .where(Meeting.mode == Mode.HERE.value)
        .limit(1)
    )
    with controller.database.read() as session:
        return session.scalar(running) is not None


async def _aside(name: str, work: Callable[[], T]) -> T:
    """Do what takes long in a thread of its own that comes after everything else.

    On Linux being nice is a matter of the thread, and one of a pool would stay so for whoever has it next.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            done.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(done)
