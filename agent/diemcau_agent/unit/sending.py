"""Sends the outbox: in order, a window at a time, again when no receipt comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from diemcau_wire import Channel
from diemcau_wire.messages import Event

from .link import Link
from .outbox import Outbox

WINDOW = 100
AGAIN_FIRST_S = 5  # the broker is back sooner than the controller: what it got then, nobody heard
AGAIN_LONGEST_S = 60


class Sending:
    """What is pending in `outbox` goes over `link` until a receipt covers it."""

    def __init__(self, outbox: Outbox, link: Link) -> None:
        self._outbox, self._link = outbox, link
        self._wake = asyncio.Event()
        self._sent: Event | None = None
        self._under_way = 0
        self._again_s = float(AGAIN_FIRST_S)

    def appended(self) -> None:
        """There is a new event."""
        self._wake.set()

    def connected(self) -> None:
        """A new connection: what was under way on the last one may be lost."""
        self._again_s = AGAIN_FIRST_S
        self._from_the_start()

    def receipt(self, streams: Mapping[str, int]) -> None:
        """The controller has committed that much."""
        covered = self._outbox.receive(streams)
        if covered:
            self._under_way = max(0, self._under_way - covered)
            self._again_s = AGAIN_FIRST_S
            self._wake.set()

    def now(self) -> None:
        """Publish what may be published."""
        while self._under_way < WINDOW and self._link.nonce is not None:
            batch = self._outbox.waiting(self._sent, WINDOW - self._under_way)
            if not batch:
                return
            for event in batch:
                if not self._link.publish(Channel.EVENT, event):
                    return
                self._sent = event
                self._under_way += 1

    async def run(self) -> None:
        """Publish events as they come; all that is pending again when no receipt came for a while."""
        while True:
            self.now()
            self._wake.clear()
            try:
                async with asyncio.timeout(self._again_s):
                    await self._wake.wait()
            except TimeoutError:
                self._outbox.settle()
                if self._under_way:
                    self._again_s = min(AGAIN_LONGEST_S, 2 * self._again_s)
                self._from_the_start()

    def _from_the_start(self) -> None:
        self._sent, self._under_way = None, 0
        self._wake.set()
