"""Janus VideoRooms: one permanent room per meeting, who is in it, and who may be heard.

The first use connects; after :class:`JanusLost` the next use connects anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .janus_session import Body, JanusLost, JanusRefused, Session

__all__ = ["JanusLost", "JanusRefused", "RoomEvent", "RoomSpec", "VideoRooms"]

_EXISTS, _NO_SUCH_ROOM, _NO_SUCH_FEED = 427, 426, 428
H264_PROFILE = "42e01f"


@dataclass(frozen=True, slots=True)
class RoomSpec:
    """A room to be made. At most `publishers` may send at once, each a picture of `bitrate_bps` at most; one
    that is not `lasting` is gone when Janus starts anew."""

    room: str
    secret: str
    pin: str
    description: str = ""
    publishers: int = 400
    bitrate_bps: int = 6_000_000
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """Somebody in the room began to send (`published`; again when his streams change) or stopped (`left`)."""

    kind: Literal["published", "left"]
    feed: str


class VideoRooms:
    """Rooms on the Janus that listens at the Unix socket `path`."""

    def __init__(self, path: Path, admin_key: str) -> None:
        self._path, self._admin_key = path, admin_key
        self._opening = asyncio.Lock()
        self._session: Session | None = None
        self._handle = 0
        self._audio: dict[tuple[str, str], tuple[str, ...]] = {}  # (room, feed) to the mids of its sound

    async def create(self, spec: RoomSpec) -> None:
        """Make the room; one that is there gets this number of publishers and this PIN.

        Raises :class:`JanusRefused` when a room of this id is somebody else's (another secret).
        """
        body: Body = {
            "request": "create",
            "admin_key": self._admin_key,
            "room": spec.room,
            "permanent": spec.lasting,
            "description": spec.description or spec.room,
            "secret": spec.secret,
            "pin": spec.pin,
            "is_private": True,
            "publishers": spec.publishers,
            "bitrate": spec.bitrate_bps,
            "bitrate_cap": True,
            "fir_freq": 0,
            "audiocodec": "opus",
            "videocodec": "h264",
            "h264_profile": H264_PROFILE,
            "opus_fec": True,
            "notify_joining": True,
            "require_e2ee": False,
        }
        try:
            await self._ask(body)
        except JanusRefused as refused:
            if refused.code != _EXISTS:
                raise
            edit = {"request": "edit", "room": spec.room, "secret": spec.secret, "permanent": spec.lasting}
            await self._ask({**edit, "new_publishers": spec.publishers, "new_pin": spec.pin})

    async def destroy(self, room_id: str, secret: str) -> None:
        """End the room for everybody; one that is gone already is fine."""
        try:
            await self._ask({"request": "destroy", "room": room_id, "secret": secret, "permanent": True})
        except JanusRefused as refused:
            if refused.code != _NO_SUCH_ROOM:
                raise

    async def moderate(self, room_id: str, secret: str, feed: str, muted: bool) -> bool:
        """Mute or unmute all sound of a feed for everybody, whatever the feed itself wants.

        False when it does not send any now, so that there was nothing to do. The room must be watched
        (:meth:`watch`): that is how we know a feed's streams. A feed that comes back comes back unmuted.
        """
        mids = self._audio.get((room_id, feed), ())
        for mid in mids:
            body = {"request": "moderate", "room": room_id, "secret": secret, "id": feed, "mid": mid}
            try:
                await self._ask({**body, "mute": muted})
            except JanusRefused as refused:
                if refused.code == _NO_SUCH_FEED:
                    return False
                raise
        return bool(mids)

    async def participants(self, room_id: str) -> list[str]:
        """Feeds that send something now. Raises :class:`JanusRefused` for a room that is not there."""
        answer = await self._ask({"request": "listparticipants", "room": room_id})
        return [str(one["id"]) for one in answer.get("participants", []) if one.get("publisher")]

    async def watch(self, room_id: str, pin: str) -> AsyncIterator[RoomEvent]:
        """Sit in the room without sending, and say who comes and goes; first, who is there.

        Ends when the room is destroyed. Raises :class:`JanusRefused` when let in by nobody, and
        :class:`JanusLost`.
        """
        session = await self._connected()
        handle = await session.attach()
        present: set[str] = set()
        try:
            joined = await session.message(
                handle, {"request": "join", "ptype": "publisher", "room": room_id, "pin": pin}
            )
            while True:
                for event in self._events_in(room_id, joined, present):
                    yield event
                joined = await session.event(handle)
                if joined.get("videoroom") == "destroyed":
                    return
        finally:
            for feed in present:
                self._audio.pop((room_id, feed), None)
            await session.detach(handle)

    def _events_in(self, room_id: str, data: Body, present: set[str]) -> list[RoomEvent]:
        """What a message of the room says about feeds; keeps `present` and the known streams."""
        events = []
        for publisher in data.get("publishers", []):
            feed = str(publisher["id"])
            self._audio[room_id, feed] = tuple(
                str(stream["mid"])
                for stream in publisher.get("streams", [])
                if stream.get("type") == "audio" and not stream.get("disabled")
            )
            present.add(feed)
            events.append(RoomEvent("published", feed))
        for key in ("unpublished", "leaving", "kicked"):
            feed = str(data.get(key, ""))
            if feed in present:
                present.discard(feed)
                self._audio.pop((room_id, feed), None)
                events.append(RoomEvent("left", feed))
        return events

    async def close(self) -> None:
        """Leave everything and hang up."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, body: Body) -> Body:
        session = await self._connected()
        return await session.message(self._handle, body)

    async def _connected(self) -> Session:
        async with self._opening:
            if self._session is not None and self._session.lost.is_set():
                await self._session.close()
                self._session = None
            if self._session is None:
                session = await Session.open(self._path)
                try:
                    self._handle = await session.attach()
                except BaseException:
                    await session.close()
                    raise
                self._session = session
            return self._session
