"""One subscribing connection: two pictures and three voices whose slots move by `switch` alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol, Self

import av
from aiortc.mediastreams import MediaStreamError
from diemcau_wire.messages import Join

from . import connection
from .faults import Fault
from .janus import Handle, Janus, JanusRefused, Message
from .room import NO_SUCH_FEED, Feed
from .slots import PICTURES, Slot

log = logging.getLogger(__name__)

_UP_S = 8.0
_FEED_TRIES, _FEED_EVERY_S = 20, 0.05
_ASK_AGAIN_S = 0.7  # Janus has asked for a key frame with the switch already


class Listener(Protocol):
    """Who gets what a subscription receives, on the event loop. `index` counts pictures, or voices."""

    def picture(self, source: Subscription, index: int, frame: av.VideoFrame) -> None:
        """A decoded picture of the feed the slot is on."""

    def voice(self, source: Subscription, index: int, frame: av.AudioFrame) -> None:
        """Decoded sound of the feed the slot is on."""

    def broken(self, source: Subscription) -> None:
        """Nothing will come any more, in some slot at least."""


class Subscription:
    """The connection, every slot parked at first. Pictures are slots 0 and 1, voices 2 to 4.

    A slot has to be on some feed, so one that nobody wants is parked: on our own feed, with `send` off, where
    it costs nothing. `first` says what each slot is on from the start; while our own feed is not up yet
    `park` is another's.
    """

    def __init__(self, park: Feed, first: Sequence[Feed | None], listener: Listener) -> None:
        self.park = park
        self.slots = [Slot(feed.site if feed is not None else None) for feed in first]
        self._on = [feed or park for feed in first]
        self.delivered: set[int] = set()
        self.is_broken = False
        self._listener = listener
        self._mids: list[str] = []
        self._receivers: list[Any] = []
        self._gates: list[float | None] = [None] * PICTURES  # closed since, or last asked for a key frame
        self._handle: Handle | None = None
        self._peer = connection.new_connection()
        self._up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(
        cls, janus: Janus, join: Join, park: Feed, first: Sequence[Feed | None], listener: Listener
    ) -> Self:
        """Make the connection. Raises :class:`Fault` `join_refused`, `no_media`; :class:`JanusLost`."""
        self = cls(park, first, listener)
        try:
            await self._connect(janus, join)
        except BaseException:
            await self.close()
            raise
        return self

    async def switch(self, index: int, feed: Feed | None) -> None:
        """Put a slot on a feed, or park it. Raises :class:`JanusRefused`, :class:`JanusLost`."""
        target, site = feed or self.park, feed.site if feed is not None else None
        if feed is not None and feed == self._on[index]:
            await self._release(index, feed)
            return
        if index < PICTURES and (self.slots[index].feed is None or self._gates[index] is not None):
            connection.expect_gap(self._receivers[index])  # nothing came since the switch before
        self._shut(index)
        reply, jsep = await self._ask(
            {
                "request": "switch",
                "streams": [
                    {"feed": target.site, "mid": _mid(target, index), "sub_mid": self._mids[index]},
                ],
            }
        )
        if jsep is not None or reply.get("switched") != "ok":
            # an m-line that had become inactive: Janus wants a new offer and answer, we a new connection
            self.slots[index] = Slot(site, dead=True)
            return
        self.slots[index], self._on[index] = Slot(site), target
        if feed is None:
            await self._hold([index])

    def feed_gone(self, site: str) -> None:
        """A publisher has left: its slots are dead."""
        self.slots = [
            Slot(slot.feed, dead=True) if on.site == site else slot
            for slot, on in zip(self.slots, self._on, strict=True)
        ]

    async def close(self) -> None:
        """End the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._handle is not None:
            await self._handle.detach()
        await connection.close(self._peer)

    async def _connect(self, janus: Janus, join: Join) -> None:
        self._handle = await janus.attach(self._take)
        data, jsep = await self._join(join)
        self._mids = [stream["mid"] for stream in data["streams"]]
        for index in range(PICTURES):
            self._shut(index)
        if jsep is None or len(self._mids) != len(self.slots):
            raise Fault("join_refused", f"got {len(self._mids)} slots instead of {len(self.slots)}")
        answer = await connection.answer(self._peer, jsep)
        receivers = {t.mid: t.receiver for t in self._peer.getTransceivers()}
        self._receivers = [receivers[mid] for mid in self._mids]
        for index, receiver in enumerate(self._receivers):
            if index >= PICTURES:
                connection.take_sound_at_once(receiver)
            read = self._read_pictures if index < PICTURES else self._read_voice
            task = asyncio.create_task(read(index, receiver), name=f"slot-{index}")
            self._tasks.append(task)
        await self._ask({"request": "start"}, answer)
        try:
            await asyncio.wait_for(self._up.wait(), _UP_S)
        except TimeoutError:
            raise Fault("no_media", f"not connected for receiving within {_UP_S:g} s") from None
        await self._hold([index for index, slot in enumerate(self.slots) if slot.feed is None])

    async def _join(self, join: Join) -> tuple[Message, Message | None]:
        streams = [
            {"feed": on.site, "mid": _mid(on, index), "send": self.slots[index].feed is not None}
            for index, on in enumerate(self._on)
        ]
        body = {
            "request": "join",
            "ptype": "subscriber",
            "room": join.room,
            "pin": join.pin,
            "autoupdate": False,
            "streams": streams,
        }
        for _ in range(_FEED_TRIES):  # a feed is there a moment after its connection is up
            try:
                return await self._ask(body)
            except JanusRefused as refusal:
                if refusal.code != NO_SUCH_FEED:
                    raise Fault("join_refused", str(refusal)) from refusal
            await asyncio.sleep(_FEED_EVERY_S)
        raise Fault("no_media", f"the feed of {self.park.site} does not appear in the room")

    async def _release(self, index: int, feed: Feed) -> None:
        """Have Janus send again what a slot is parked on; a switch to the same feed would change nothing."""
        self._shut(index)
        await self._ask(
            {"request": "configure", "streams": [{"mid": self._mids[index], "send": True}]},
        )
        self.slots[index] = Slot(feed.site)
        if index < PICTURES:
            await connection.ask_for_key_frame(self._receivers[index])

    async def _hold(self, indices: list[int]) -> None:
        """Have Janus send nothing in these slots; a switch turns sending on again."""
        await self._ask(
            {
                "request": "configure",
                "streams": [{"mid": self._mids[index], "send": False} for index in indices],
            }
        )

    async def _ask(self, body: Message, jsep: Message | None = None) -> tuple[Message, Message | None]:
        assert self._handle is not None
        return await self._handle.ask(body, jsep)

    async def _read_pictures(self, index: int, receiver: Any) -> None:
        """Hand on pictures, after a switch from the first key frame on: before it they are torn."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                frame = await receiver.track.recv()
                if frame.key_frame:
                    self._gates[index] = None
                shut = self._gates[index]
                if shut is None:
                    self._listener.picture(self, index, frame)
                elif loop.time() - shut > _ASK_AGAIN_S:
                    self._shut(index)
                    await connection.ask_for_key_frame(receiver)
        except MediaStreamError:
            self._break()

    async def _read_voice(self, index: int, receiver: Any) -> None:
        try:
            while True:
                self._listener.voice(self, index - PICTURES, await receiver.track.recv())
        except MediaStreamError:
            self._break()

    def _shut(self, index: int) -> None:
        if index < PICTURES:
            self._gates[index] = asyncio.get_running_loop().time()

    def _break(self) -> None:
        if not self.is_broken:
            self.is_broken = True
            self._listener.broken(self)

    def _take(self, message: Message) -> None:
        if message["janus"] == "webrtcup":
            self._up.set()
        elif message["janus"] == "hangup":
            log.warning("receiving ended: %s", message.get("reason"))
            self._break()


def _mid(feed: Feed, index: int) -> str | None:
    return feed.video_mid if index < PICTURES else feed.audio_mid
