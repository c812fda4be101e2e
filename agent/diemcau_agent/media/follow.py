"""Following the floor: keeps the slots of the subscribing connection where they are wanted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

import av
from diemcau_wire.messages import Join

from .faults import Fault
from .janus import Janus, JanusRefused
from .room import NO_SUCH_FEED, Feed, Publishers
from .slots import PICTURES, VOICES, Rebuild, Switch, assign, plan
from .subscribe import Subscription

log = logging.getLogger(__name__)

_FEED_NOT_UP_S = 0.2
_REBUILD_EVERY_S = 1.0
_NEW_PIN_S = 5.0
_GRACE_S = 1.5  # how long the old connection goes on beside the new one, until pictures come


class Follower:
    """Owns the current subscription. Pictures and voices come out with the site they belong to.

    `own` is our own feed, None until it is published.
    """

    def __init__(
        self,
        janus: Janus,
        join: Join,
        publishers: Publishers,
        on_picture: Callable[[int, av.VideoFrame], None],
        on_voice: Callable[[int, av.AudioFrame], None],
    ) -> None:
        self._janus, self._join, self._publishers = janus, join, publishers
        self.own: Feed | None = None
        self._on_picture, self._on_voice = on_picture, on_voice
        self._wanted: list[str | None] = [None] * (PICTURES + VOICES)
        self._current: Subscription | None = None
        self._old: set[Subscription] = set()
        self._wake = asyncio.Event()
        self._told = asyncio.Event()
        self._rebuild_wanted = False
        self._rebuilt_at = 0.0

    async def open_early(self) -> None:
        """Make the first connection before our own feed is up, on a feed that is wanted, if there is one."""
        first = self._feeds_wanted()
        lead = next((feed for feed in first if feed and feed.audio_mid and feed.video_mid), None)
        if lead is None:
            return
        try:
            self._current = await Subscription.open(self._janus, self._join, lead, first, self)
        except Fault as fault:
            log.info("not before we are published: %s", fault)

    async def open(self, own: Feed) -> None:
        """Make the first connection, unless it is there. Raises as :meth:`Subscription.open`."""
        self.own = own
        if self._current is None:
            self._current = await self._connection()
        self._current.park = own

    @property
    def pictures(self) -> Sequence[str | None]:
        """The site wanted in each picture slot."""
        return self._wanted[:PICTURES]

    @property
    def voices(self) -> Sequence[str | None]:
        """The site wanted in each voice slot."""
        return self._wanted[PICTURES:]

    def follow(self, video: Sequence[str | None], audio: Sequence[str]) -> None:
        """Want these sites' pictures, in this order, and these voices."""
        self._wanted = [*video, *assign(audio, self.voices)]
        self._wake.set()

    def expects_picture(self, index: int) -> str | None:
        """The site whose pictures should be coming in a slot: wanted and published."""
        site = self._wanted[index]
        return site if site in self._published()[index] else None

    def publishers_changed(self, gone: set[str]) -> None:
        """Somebody came, or the sites in `gone` went."""
        for subscription in self._all():
            for site in gone:
                subscription.feed_gone(site)
        self._wake.set()

    def take_way_in(self, join: Join) -> None:
        """The room's PIN is another now."""
        self._join = join
        self._told.set()

    def rebuild(self) -> None:
        """Throw the connection away and make a new one."""
        self._rebuild_wanted = True
        self._wake.set()

    async def run(self) -> None:
        """Do what is wanted until cancelled. Raises :class:`Fault`, :class:`JanusLost`."""
        async with asyncio.TaskGroup() as closers:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._settle(closers)

    async def close(self) -> None:
        """End every connection."""
        for subscription in self._all():
            await subscription.close()

    # what subscriptions tell us

    def picture(self, source: Subscription, index: int, frame: av.VideoFrame) -> None:
        """A picture came in."""
        if self._takes(source, index):
            self._on_picture(index, frame)

    def voice(self, source: Subscription, index: int, frame: av.AudioFrame) -> None:
        """Sound came in."""
        if self._takes(source, PICTURES + index):
            self._on_voice(index, frame)

    def broken(self, source: Subscription) -> None:
        """A connection has ended."""
        if source is self._current:
            self._wake.set()

    async def _connection(self) -> Subscription:
        assert self.own is not None
        parked: list[Feed | None] = [None] * len(self._wanted)
        known = self._join
        try:
            return await Subscription.open(self._janus, known, self.own, parked, self)
        except Fault as fault:
            if fault.what != "join_refused" or not await self._told_since(known):
                raise
            return await Subscription.open(self._janus, self._join, self.own, parked, self)

    async def _told_since(self, known: Join) -> bool:
        """True when we hear soon of another PIN than that: Janus may have learnt of it before us."""
        self._told.clear()
        if self._join == known:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _NEW_PIN_S)
        return self._join != known

    def _feeds_wanted(self) -> list[Feed | None]:
        """Per slot the feed that is wanted there and published."""
        feeds, published = self._publishers.feeds, self._published()
        return [
            feeds[site] if site is not None and site in there else None
            for site, there in zip(self._wanted, published, strict=True)
        ]

    def _takes(self, source: Subscription, slot: int) -> bool:
        """Whether it is of the wanted feed, and no newer connection gives that already."""
        site = source.slots[slot].feed
        if site is None or site != self._wanted[slot]:
            return False
        if source is self._current:
            source.delivered.add(slot)
            return True
        return self._current is not None and slot not in self._current.delivered

    def _all(self) -> list[Subscription]:
        return [*self._old, *([self._current] if self._current is not None else [])]

    def _published(self) -> list[set[str]]:
        feeds = self._publishers.feeds.values()
        pictures = {feed.site for feed in feeds if feed.video_mid is not None}
        voices = {feed.site for feed in feeds if feed.audio_mid is not None}
        return [pictures] * PICTURES + [voices] * VOICES

    async def _settle(self, closers: asyncio.TaskGroup) -> None:
        assert self._current is not None
        steps = plan(self._wanted, self._current.slots, self._published())
        if self._rebuild_wanted or self._current.is_broken or isinstance(steps, Rebuild):
            await self._replace(closers)
            steps = plan(self._wanted, self._current.slots, self._published())
        if not isinstance(steps, Rebuild):
            await asyncio.gather(*(self._apply(self._current, step) for step in steps))

    async def _replace(self, closers: asyncio.TaskGroup) -> None:
        """Make the new connection beside the old one, which goes on for a moment."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._rebuilt_at + _REBUILD_EVERY_S - now))
        log.info("new subscribing connection")
        self._rebuild_wanted = False
        fresh = await self._connection()
        old, self._current = self._current, fresh
        self._rebuilt_at = asyncio.get_running_loop().time()
        if old is not None:
            self._old.add(old)
            closers.create_task(self._retire(old), name="retire-subscription")

    async def _retire(self, subscription: Subscription) -> None:
        await asyncio.sleep(_GRACE_S)
        self._old.discard(subscription)
        await subscription.close()

    async def _apply(self, subscription: Subscription, step: Switch) -> None:
        feed = self._publishers.feeds.get(step.site) if step.site is not None else None
        if step.site is not None and feed is None:
            return  # gone since the plan was made; the next one knows
        try:
            await subscription.switch(step.index, feed)
        except JanusRefused as refusal:
            if refusal.code == NO_SUCH_FEED:  # announced, but its media are not up yet
                asyncio.get_running_loop().call_later(_FEED_NOT_UP_S, self._wake.set)
            else:
                log.warning("switch refused: %s", refusal)
                self.rebuild()
        else:
            if subscription.slots[step.index].dead:
                self._wake.set()
