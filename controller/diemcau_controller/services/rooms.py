"""Rooms in Janus: made as soon as an occurrence is known, gone a minute after it is over; and one for each
site, in which its unit checks that pictures and sound come back."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from sqlalchemy import select, update

from ..actions.controller import Controller
from ..actions.news import Item
from ..adapters.janus import JanusLost, JanusRefused, RoomSpec, VideoRooms
from ..rules.gate import Mode
from ..store.tables import Meeting, Occurrence, Site, Unit

LINGER = timedelta(seconds=60)
_LOOK_S = 10.0

log = logging.getLogger(__name__)


class Rooms:
    """Keeps Janus's rooms equal to the database's; `reached` says whether Janus answered last."""

    def __init__(self, controller: Controller, janus: VideoRooms) -> None:
        self._controller, self._janus = controller, janus
        self.reached = False
        self._check_rooms: dict[str, str] = {}  # site → the room Janus has for it

    async def run(self) -> None:
        """Reconcile now, on every change of the schedule, and every ten seconds."""
        self.reached = False
        self._check_rooms.clear()
        await self._forget()
        with self._controller.news.listen() as news:
            while True:
                try:
                    await self._reconcile()
                    await self._make_check_rooms()
                    await self._ask_for_life()
                except JanusLost:
                    self.reached = False
                    raise
                self.reached = True
                await _until_something_changes(news)

    async def _forget(self) -> None:
        """Janus may have lost its rooms since we last saw it: every one is made again, which costs little."""
        await self._controller.write(
            lambda session: session.execute(
                update(Occurrence).where(Occurrence.finished_at.is_(None)).values(room_made=False)
            )
        )

    async def _reconcile(self) -> None:
        now = self._controller.now()
        with self._controller.database.read() as session:
            missing = session.scalars(
                select(Occurrence)
                .join(Meeting)
                .where(Occurrence.room_made.is_(False), Occurrence.finished_at.is_(None))
                .where(Occurrence.cap_at > now, Meeting.mode == Mode.HERE)
                .order_by(Occurrence.opens_at)
            ).all()
            over = session.scalars(
                select(Occurrence).where(Occurrence.room_made, Occurrence.finished_at < now - LINGER)
            ).all()
            titles = {row.id: row.meeting.title for row in missing}
        done: dict[bool, list[str]] = {True: [], False: []}
        try:
            for row in missing:
                try:
                    await self._janus.create(room_spec(row, titles[row.id]))
                except JanusRefused as error:
                    log.error("no room", extra={"meeting": row.id, "error": str(error)})
                else:
                    done[True].append(row.id)
            for row in over:
                try:
                    await self._janus.destroy(row.room, row.secret)
                except JanusRefused as error:
                    log.error("room stays", extra={"meeting": row.id, "error": str(error)})
                done[False].append(row.id)
        finally:
            for made, ids in done.items():
                if ids:
                    await self._note(ids, made)

    async def _make_check_rooms(self) -> None:
        """Those that Janus has not been given yet. They are not kept on disk: thousands would be written anew
        with every one that is added."""
        with self._controller.database.read() as session:
            told = select(Site.id, Site.check_room, Site.check_pin, Site.check_secret).join(Unit)
            wanted = [
                (site, RoomSpec(room, secret, pin, f"check of {site}", publishers=2, lasting=False))
                for site, room, pin, secret in session.execute(told)
                if room and pin and secret and self._check_rooms.get(site) != room
            ]
        for site, spec in wanted:
            try:
                await self._janus.create(spec)
            except JanusRefused as error:
                log.error("no room for checks", extra={"site": site, "error": str(error)})
            self._check_rooms[site] = spec.room  # one that is refused is tried again when Janus is back

    async def _note(self, ids: list[str], made: bool) -> None:
        await self._controller.write(
            lambda session: session.execute(
                update(Occurrence).where(Occurrence.id.in_(ids)).values(room_made=made)
            )
        )

    async def _ask_for_life(self) -> None:
        """Any answer of Janus is a sign of life; that there is no such room is one."""
        try:
            await self._janus.participants("sign-of-life")
        except JanusRefused:
            return


def room_spec(row: Occurrence, title: str) -> RoomSpec:
    """The room of an occurrence."""
    return RoomSpec(room=row.room, secret=row.secret, pin=row.pin, description=title)


async def _until_something_changes(news: asyncio.Queue[Item]) -> None:
    try:
        async with asyncio.timeout(_LOOK_S):
            while (await news.get()).kind not in ("schedule", "site"):
                pass
    except TimeoutError:
        return
