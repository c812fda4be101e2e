"""The VideoRoom: who publishes what, and the way in.

https://janus.conf.meetecho.com/docs/videoroom; the room has `string_ids` and a feed's id is its site's id.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from diemcau_wire.messages import Join

from .faults import Fault
from .janus import Handle, Janus, JanusRefused, Message

NO_SUCH_ROOM = 426
NO_SUCH_FEED = 428
UNAUTHORIZED = 433
ID_EXISTS = 436

_EVICT_S, _EVICT_EVERY_S = 10.0, 0.5


@dataclass(frozen=True, slots=True)
class Feed:
    """What a site publishes: mids of its streams; None when it has no such stream."""

    site: str
    audio_mid: str | None
    video_mid: str | None


def parse_feeds(publishers: Any) -> list[Feed]:
    """The feeds in a `publishers` list; entries that are not one are left out."""
    feeds = []
    for entry in publishers if isinstance(publishers, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            continue
        mids: dict[str, str] = {}
        for stream in entry.get("streams") or []:
            if isinstance(stream, dict) and not stream.get("disabled"):
                mids.setdefault(str(stream.get("type")), str(stream.get("mid")))
        feeds.append(Feed(entry["id"], mids.get("audio"), mids.get("video")))
    return feeds


class Publishers:
    """The feeds that can be subscribed to now, ourselves left out."""

    def __init__(self, me: str) -> None:
        self._me = me
        self.feeds: dict[str, Feed] = {}

    def take(self, data: Message) -> set[str]:
        """Learn from a VideoRoom event. Returns the sites whose feed has just gone."""
        for feed in parse_feeds(data.get("publishers")):
            if feed.site != self._me:
                self.feeds[feed.site] = feed
        gone = {
            site for key in ("unpublished", "leaving", "kicked") if isinstance(site := data.get(key), str)
        }
        for site in gone:
            self.feeds.pop(site, None)
        return gone


async def join_as_publisher(
    janus: Janus, handle: Handle, join: Join, site: str, name: str, previous_session: int | None
) -> Message:
    """Join the room as `site`. Returns the `joined` event.

    The ghost of an earlier process holds the id until its session is gone, so that one is destroyed
    first, and again for up to 10 s. Raises :class:`Fault` `join_refused`.
    """
    body = {
        "request": "join",
        "ptype": "publisher",
        "room": join.room,
        "pin": join.pin,
        "id": site,
        "display": name,
    }
    if previous_session is not None:
        await janus.destroy(previous_session)
    deadline = asyncio.get_running_loop().time() + _EVICT_S
    while True:
        try:
            return (await handle.ask(body))[0]
        except JanusRefused as refusal:
            if refusal.code != ID_EXISTS or asyncio.get_running_loop().time() > deadline:
                raise Fault("join_refused", str(refusal)) from refusal
        await asyncio.sleep(_EVICT_EVERY_S)
        if previous_session is not None:
            await janus.destroy(previous_session)


async def way_in(janus: Janus, handle: Handle, join: Join) -> str | None:
    """Whether room and PIN are right, disturbing nobody: None, or why not.

    A subscriber's PIN is checked before the feed it asks for, so one that asks for a feed that cannot be
    learns it without joining.
    """
    try:
        await handle.ask(
            {
                "request": "join",
                "ptype": "subscriber",
                "room": join.room,
                "pin": join.pin,
                "streams": [{"feed": "no such site"}],
            }
        )
    except JanusRefused as refusal:
        return None if refusal.code == NO_SUCH_FEED else str(refusal)
    return None
