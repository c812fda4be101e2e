"""An office with a large fleet, its page served on a port of this machine: for browsers and for clocks.

No broker: what units say goes straight to ingest, as the link hands it over, with the news that follow.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from diemcau_controller.actions.ingest import Taken, ingest

from .big_fleet import fill
from .office import Office

START_S = 20


class ServedOffice(Office):
    """`url` is where; the time is the machine's own, because browsers and pages have only that."""

    def __init__(self, folder: Path, count: int, *, provinces: int | None = None) -> None:
        super().__init__(folder)
        self.controller.now = lambda: datetime.now(UTC)
        self.count = count
        self.sites = fill(self.database, count, datetime.now(UTC), provinces=provinces)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)

    def _serve(self) -> None:
        async def serve() -> None:
            self.controller.news.attach(asyncio.get_running_loop())
            await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started:
            assert time.monotonic() < deadline, "the page is not served"
            time.sleep(0.02)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(START_S)
        self.close()

    def say(self, batch: Iterable[Taken]) -> None:
        """Units say this: it is stored, then told."""
        taken = list(batch)
        now = self.controller.now()
        told = self.writer.submit(lambda session: ingest(session, taken, now), urgent=True).result(START_S)
        self.controller.send(told.letters)
        for kind, data in told.news:
            self.controller.news.tell(kind, **data)


@contextmanager
def served_office(folder: Path, count: int, *, provinces: int | None = None) -> Iterator[ServedOffice]:
    """An office of `count` sites, until the block ends."""
    made = ServedOffice(folder, count, provinces=provinces)
    try:
        made.start()
        yield made
    finally:
        made.stop()
