"""One subscribing connection: two pictures and three voices whose slots move by `switch` alone."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol, Self

import av
from aiortc.mediastreams import MediaStreamError
from diemcau_wire.messages import Join

from . import connection
from .faults import Fault
from .janus import Handle, Janus, JanusRefused, Message
from .room import NO_SUCH_FEED, Feed
from .slots import PICTURES, VOICES, Slot

log = logging.getLogger(__name__)

_UP_S = 8.0
_OWN_FEED_TRIES, _OWN_FEED_EVERY_S = 20, 0.05
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

    There may be nobody else in the room when we join, so slots are made by subscribing to our own feed
    several times, with `send` off: such a slot costs nothing.
    """

    def __init__(self, own: Feed, listener: Listener) -> None:
        self.slots = [Slot() for _ in range(PICTURES + VOICES)]
        self.delivered: set[int] = set()
        self.is_broken = False
        self._own, self._listener = own, listener
        self._mids: list[str] = []
        self._receivers: list[Any] = []
        self._gates: list[float | None] = [None] * PICTURES  # closed since, or last asked for a key frame
        self._handle: Handle | None = None
        self._peer = connection.new_connection()
        self._up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, janus: Janus, join: Join, own: Feed, listener: Listener) -> Self:
        """Make the connection. Raises :class:`Fault` `join_refused`, `no_media`; :class:`JanusLost`."""
        self = cls(own, listener)
        try:
            await self._connect(janus, join)
        except BaseException:
            await self.close()
            raise
        return self

    async def switch(self, index: int, feed: Feed | None) -> None:
        """Put a slot on a feed, or park it. Raises :class:`JanusRefused`, :class:`JanusLost`."""
        target, site = feed or self._own, feed.site if feed is not None else None
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
        self.slots[index] = Slot(site)
        if feed is None:
            await self._hold([index])

    def feed_gone(self, site: str) -> None:
        """A publisher has left: its slots are dead."""
        self.slots = [Slot(slot.feed, dead=True) if slot.feed == site else slot for slot in self.slots]

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
        if jsep is None or len(self._mids) != len(self.slots):
            raise Fault("join_refused", f"got {len(self._mids)} slots instead of {len(self.slots)}")
        answer = await connection.answer(self._peer, jsep)
        receivers = {t.mid: t.receiver for t in self._peer.getTransceivers()}
        self._receivers = [receivers[mid] for mid in self._mids]
        for index, receiver in enumerate(self._receivers):
            read = self._read_pictures if index < PICTURES else self._read_voice
            task = asyncio.create_task(read(index, receiver), name=f"slot-{index}")
            self._tasks.append(task)
        await self._ask({"request": "start"}, answer)
        try:
            await asyncio.wait_for(self._up.wait(), _UP_S)
        except TimeoutError:
            raise Fault("no_media", f"not connected for receiving within {_UP_S:g} s") from None
        await self._hold(range(len(self.slots)))

    async def _join(self, join: Join) -> tuple[Message, Message | None]:
        streams = [
            {"feed": self._own.site, "mid": _mid(self._own, index), "send": False}
            for index in range(len(self.slots))
        ]
        body = {
            "request": "join",
            "ptype": "subscriber",
            "room": join.room,
            "pin": join.pin,
            "autoupdate": False,
            "streams": streams,
        }
        for _ in range(_OWN_FEED_TRIES):  # our own feed is there a moment after its connection is up
            try:
                return await self._ask(body)
            except JanusRefused as refusal:
                if refusal.code != NO_SUCH_FEED:
                    raise Fault("join_refused", str(refusal)) from refusal
            await asyncio.sleep(_OWN_FEED_EVERY_S)
        raise Fault("no_media", "our own feed does not appear in the room")

    async def _hold(self, indices: list[int] | range) -> None:
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
