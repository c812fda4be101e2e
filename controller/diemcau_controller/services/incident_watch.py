"""Watches for what makes an incident, every few seconds: in events of units and in meetings that run."""

from __future__ import annotations

import asyncio
from datetime import datetime

from ..actions.controller import Controller
from ..actions.incident_evidence import picture_of
from ..actions.open_incident import add_entry
from ..actions.watch_incidents import (
    Opened,
    Standing,
    signs_after,
    signs_from,
    standing,
    take_outages,
    take_returns,
    take_signs,
)
from ..rules.actor import SYSTEM
from ..rules.incidents import PATIENCE
from ..store.tables import Incident

LOOK_S = 5.0


class IncidentWatch:
    """Remembers how far events were read, and since when which sites have been missed."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._read_to: int | None = None
        self._out: frozenset[tuple[str, datetime]] = frozenset()

    async def look(self) -> None:
        """One look at everything."""
        done = await self._signs() + await self._outages()
        for one in done:
            if one.fresh:
                await self._attach_picture(one)
            self._controller.news.tell("incident", incident=one.incident, site=one.site)

    async def _signs(self) -> list[Opened]:
        now = self._controller.now()
        with self._controller.database.read() as session:
            if self._read_to is None:
                self._read_to = signs_from(session, now)
            rows = signs_after(session, self._read_to)
        if not rows:
            return []
        done = await self._controller.write(lambda session: take_signs(session, rows, now))
        self._read_to = rows[-1].number
        return done

    async def _outages(self) -> list[Opened]:
        now = self._controller.now()
        found = await asyncio.to_thread(self._standing, now)
        back = sorted({site for site, _ in self._out} & found.inside)
        out = frozenset((one.site, one.since) for one in found.outages if now - one.since >= PATIENCE)
        done = []
        if out - self._out:  # the others have been told of
            done += await self._controller.write(lambda session: take_outages(session, found, now))
        if back:
            done += await self._controller.write(lambda session: take_returns(session, back, now))
        self._out = out
        return done

    def _standing(self, now: datetime) -> Standing:
        with self._controller.database.read() as session:
            return standing(session, now)

    async def _attach_picture(self, one: Opened) -> None:
        kept = await asyncio.to_thread(picture_of, self._controller, one.site)
        if kept is None:
            return
        now = self._controller.now()
        await self._controller.write(
            lambda session: add_entry(session.get_one(Incident, one.incident), now, SYSTEM, "file", file=kept)
        )
