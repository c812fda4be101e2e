"""While a meeting runs: whoever has not the floor is muted in Janus, and units hear who has it every 10 s."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from functools import partial

from sqlalchemy import select

from ..actions.change_floor import floor_letters
from ..actions.controller import Controller
from ..actions.news import Item
from ..adapters.janus import JanusRefused, VideoRooms
from ..rules.gate import Mode
from ..store.tables import Meeting, Occurrence
from .rooms import room_spec
from .supervise import supervise

REPEAT_S = 10.0
_LOOK_S = 1.0

log = logging.getLogger(__name__)


class FloorKeeper:
    """One task per running occurrence, each started anew by :func:`supervise` when Janus goes away."""

    def __init__(self, controller: Controller, janus: VideoRooms) -> None:
        self._controller, self._janus = controller, janus
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Keep the floor of whatever runs, until cancelled."""
        try:
            while True:
                running = self._running()
                for occurrence_id in self._tasks.keys() - running:
                    self._tasks.pop(occurrence_id).cancel()
                    self._controller.in_room.pop(occurrence_id, None)
                for occurrence_id in running - self._tasks.keys():
                    name = f"floor of {occurrence_id}"
                    keep = partial(_Room(self._controller, self._janus, occurrence_id).keep)
                    self._tasks[occurrence_id] = asyncio.create_task(supervise(name, keep), name=name)
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._tasks.clear()

    async def repeat(self) -> None:
        """Publish the floor of whatever runs once more: units take it as a sign of life."""
        with self._controller.database.read() as session:
            letters = []
            for occurrence_id in self._running():
                row = session.get_one(Occurrence, occurrence_id)
                letters += floor_letters(session, self._controller, row)
        self._controller.send(letters)

    def _running(self) -> set[str]:
        now = self._controller.now()
        with self._controller.database.read() as session:
            return set(
                session.scalars(
                    select(Occurrence.id)
                    .join(Meeting)
                    .where(
                        Occurrence.opens_at <= now,
                        Occurrence.cap_at > now,
                        Occurrence.finished_at.is_(None),
                        Meeting.mode == Mode.HERE,
                    )
                )
            )


class _Room:
    """The floor of one meeting, carried out in its room."""

    def __init__(self, controller: Controller, janus: VideoRooms, occurrence_id: str) -> None:
        self._controller, self._janus, self._id = controller, janus, occurrence_id
        self._muted: dict[str, bool] = {}  # what Janus was last told of each feed there
        self._one_at_a_time = asyncio.Lock()

    async def keep(self) -> None:
        """Watch the room until it is gone; raises what Janus's end raises."""
        with self._controller.database.read() as session:
            row = session.get_one(Occurrence, self._id)
            spec = room_spec(row, row.meeting.title)
        self._room, self._secret = spec.room, spec.secret
        self._muted.clear()
        feeds = self._controller.in_room[self._id] = set()
        await self._janus.create(spec)
        with self._controller.news.listen() as news:
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(self._follow(news), name=f"floor changes of {self._id}")
                async with aclosing(self._janus.watch(spec.room, spec.pin)) as events:  # type: ignore[type-var]
                    async for event in events:
                        self._muted.pop(event.feed, None)
                        if event.kind == "published":
                            feeds.add(event.feed)
                            await self._apply({event.feed})
                        else:
                            feeds.discard(event.feed)
                        self._controller.news.tell("session", meeting=self._id)
                following.cancel()

    async def _follow(self, news: asyncio.Queue[Item]) -> None:
        while True:
            try:
                # Not wait_for: when news come in the instant of a cancellation, that would be swallowed.
                async with asyncio.timeout(REPEAT_S):
                    item = await news.get()
            except TimeoutError:
                await self._apply(set(self._muted))
            else:
                if item.kind == "floor" and item.data.get("meeting") == self._id:
                    await self._apply(set(self._muted))

    async def _apply(self, feeds: set[str]) -> None:
        """Tell Janus what has changed for these feeds: first who falls silent, then who is heard."""
        async with self._one_at_a_time:
            with self._controller.database.read() as session:
                speakers = set(session.get_one(Occurrence, self._id).floor_speakers)
            for feed in sorted(feeds, key=lambda feed: feed in speakers):
                muted = feed not in speakers
                if self._muted.get(feed) == muted:
                    continue
                try:
                    await self._janus.moderate(self._room, self._secret, feed, muted)
                except JanusRefused as error:
                    log.error("not moderated", extra={"meeting": self._id, "site": feed, "error": str(error)})
                else:
                    self._muted[feed] = muted
