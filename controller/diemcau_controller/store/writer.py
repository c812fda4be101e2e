"""The one writer: a thread that turns many small changes into few transactions.

A change is a function of a session. Changes wait in a bounded queue; the writer takes what is there, runs
each in a savepoint of its own, and commits them together: at the latest 250 ms after the first, after 1000,
or at once when somebody waits for a result and no more are queued. One that fails is undone alone. Whoever
waits gets the result after the commit, never before.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from .database import Database
from .touched import Touched, watch

T = TypeVar("T")
Change = Callable[[Session], T]

BATCH_S = 0.25
BATCH_ITEMS = 1000
QUEUE_ITEMS = 20_000

log = logging.getLogger(__name__)


class WriterBusy(RuntimeError):
    """The queue is full: the disk does not keep up."""


@dataclass(slots=True)
class _Item:
    change: Change[Any]
    urgent: bool
    done: Future[Any] = field(default_factory=Future)


class Writer:
    """Owns the thread. :meth:`submit` may be called from any thread, :meth:`write` from the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.Queue[_Item | None] = queue.Queue(QUEUE_ITEMS)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.trouble: str | None = None  # why the last batch could not be stored; None when it could
        self.after_commit: list[Callable[[Touched], None]] = []  # called in the writer's thread

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what is queued, then end."""
        self._queue.put(None)
        self._thread.join()

    def submit(self, change: Change[T], *, urgent: bool = False) -> Future[T]:
        """Queue a change; the future holds its result after the commit. Raises :class:`WriterBusy`."""
        item = _Item(change, urgent)
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            raise WriterBusy("the database does not keep up with what arrives") from None
        return item.done

    async def write(self, change: Change[T]) -> T:
        """Run a change and wait for its commit; what it raises is raised here."""
        return await asyncio.wrap_future(self.submit(change, urgent=True))

    def _run(self) -> None:
        running = True
        while running:
            first = self._queue.get()
            if first is None:
                return
            batch, hurry = [first], first.urgent
            until = time.monotonic() + BATCH_S
            while len(batch) < BATCH_ITEMS:
                wait_s = 0.0 if hurry else until - time.monotonic()
                try:
                    item = self._queue.get(timeout=wait_s) if wait_s > 0 else self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    running = False
                    break
                batch.append(item)
                hurry = hurry or item.urgent
            self._commit([item for item in batch if item.done.set_running_or_notify_cancel()])

    def _commit(self, batch: list[_Item]) -> None:
        results: list[tuple[_Item, Any]] = []
        trouble: str | None = None
        try:
            with self._database.session() as session:
                touched = watch(session)
                for item in batch:
                    try:
                        with session.begin_nested():
                            result = item.change(session)
                            session.flush()
                    except Exception as error:  # noqa: BLE001 - whatever it is belongs to whoever asked
                        trouble = str(error.orig) if isinstance(error, OperationalError) else trouble
                        item.done.set_exception(error)
                    else:
                        results.append((item, result))
                session.commit()
        except Exception as error:  # noqa: BLE001 - a full disk fails the batch, not the writer
            self.trouble = str(getattr(error, "orig", error))
            log.error("commit failed", extra={"error": self.trouble, "changes": len(batch)})
            for item in batch:
                if not item.done.done():
                    item.done.set_exception(error)
            return
        self.trouble = trouble
        for hear in self.after_commit if touched else ():
            hear(touched)
        for item, result in results:
            item.done.set_result(result)
