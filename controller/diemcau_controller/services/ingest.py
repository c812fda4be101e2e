"""From the broker to the database: batches go to the writer and are acknowledged once stored."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from datetime import datetime, timedelta

from diemcau_wire.messages import Ack, Receipt
from diemcau_wire.topics import Channel
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from ..actions.change_floor import floor_letters
from ..actions.controller import Controller, Letter
from ..actions.desired import stored_letters
from ..actions.ingest import Taken, Told, ingest
from ..actions.send_command import take_ack
from ..adapters.mqtt import MqttLink, Received
from ..store.tables import Occurrence, Stream

_STREAMS_PER_UNIT = 16
_AGAIN_S = 1.0

log = logging.getLogger(__name__)


class Ingest:
    """The link's callbacks; those that store run in a thread of the link's own, which may wait."""

    def __init__(self, controller: Controller, loop: asyncio.AbstractEventLoop) -> None:
        self._controller, self._loop = controller, loop
        self._stopping = threading.Event()
        self.link: MqttLink | None = None
        self.listening_since: datetime | None = None

    def stop(self) -> None:
        """Give up waiting for a disk that is full."""
        self._stopping.set()

    def take(self, batch: list[Received]) -> None:
        """Store a batch, then acknowledge it and tell what follows from it."""
        taken = [Taken(one.topic.channel, one.message, one.retained) for one in batch]
        self._tell(self._stored(taken))
        if self.link is not None:
            for one in batch:
                self.link.ack(one)

    def answered(self, ack: Ack) -> None:
        """Hand a unit's answer to whoever asked, at once: it does not wait for what is being stored."""
        self._loop.call_soon_threadsafe(take_ack, self._controller, ack)

    def connected(self) -> None:
        """Say everything anew: the broker may have forgotten what it was told."""
        controller = self._controller
        self.listening_since = controller.now()
        now = controller.now()
        with controller.database.read() as session:
            letters = stored_letters(session)
            running = select(Occurrence).where(
                Occurrence.opens_at <= now, Occurrence.cap_at > now, Occurrence.finished_at.is_(None)
            )
            for occurrence in session.scalars(running):
                letters += floor_letters(session, controller, occurrence)
            streams: dict[str, dict[str, int]] = {}
            for row in session.scalars(select(Stream)):
                streams.setdefault(row.unit, {})[row.stream] = row.receipt
        for unit, receipts in streams.items():
            newest = dict([*receipts.items()][-_STREAMS_PER_UNIT:])
            letters.append(Letter(Receipt(unit=unit, streams=newest), Channel.RECEIPT))
        controller.send(letters)
        controller.news.tell("broker", connected=True)

    def silence_judged_from(self, now: datetime) -> datetime:
        """Since when a missing measurement counts against a unit: never while we do not listen ourselves."""
        if self.link is None or not self.link.connected or self.listening_since is None:
            return now + timedelta(days=1)
        return self.listening_since

    def _stored(self, taken: list[Taken]) -> Told:
        """Store a batch. A full disk is waited for; a message that breaks something is dropped alone."""
        writer, now = self._controller.writer, self._controller.now()
        zone = self._controller.settings.zone
        while True:
            try:
                return writer.submit(lambda session: ingest(session, taken, now, zone)).result()
            except OperationalError as error:
                log.error("cannot store what units say", extra={"error": str(error.orig)})
                if self._stopping.wait(_AGAIN_S):
                    raise
            except Exception:
                if len(taken) == 1:
                    log.exception("a message cannot be taken", extra={"channel": str(taken[0].channel)})
                    return Told(refused=Counter(internal=1))
                break
        told = Told()
        for one in taken:
            told.add(self._stored([one]))
        return told

    def _tell(self, told: Told) -> None:
        self._controller.send(told.letters)
        self._controller.refused.update(told.refused)
        for kind, data in told.news:
            self._controller.news.tell(kind, **data)
