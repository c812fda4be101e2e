"""Somebody who takes part with the way in alone: sends sound without having the floor, or listens to anybody.

Made of the media process's own pieces, each with a session of its own at Janus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from diemcau_agent.media.janus import Handle, Janus, JanusRefused, Message
from diemcau_agent.media.microphone import MicrophoneFeed
from diemcau_agent.media.publish import Publication
from diemcau_agent.media.room import Feed, Publishers, join_as_publisher
from diemcau_agent.media.slots import PICTURES, VOICES
from diemcau_agent.media.subscribe import Subscription
from diemcau_controller.demo.voices import Sound
from diemcau_wire.messages import Join


class OpenJanus(Janus):
    """A session whose newest handle can be talked to from outside."""

    handle: Handle

    async def attach(self, on_event: Callable[[Message], None]) -> Handle:
        self.handle = await super().attach(on_event)
        return self.handle


class Rogue:
    """Sends a tone as `site` from :meth:`join` on, without ever looking at the floor."""

    def __init__(self, site: str, hertz: int) -> None:
        self.sent = 0
        self._site = site
        self._publication = Publication(site, lambda: None, lambda gone: None)
        self._microphone = MicrophoneFeed(f"tone:{hertz}", self)
        self._speaking: asyncio.Task[None] | None = None

    async def join(self, join: Join, ca: Path) -> None:
        self._join = join
        self._janus = await OpenJanus.connect(join.url, str(ca))
        await self._publication.enter(self._janus, join, "Kẻ lạ", None)
        self._feed = await self._publication.publish()
        self._microphone.set_open(True)
        self._speaking = asyncio.create_task(self._microphone.run(), name="rogue")

    async def unmute_itself(self) -> list[str]:
        """Everything a participant can ask for to be heard; gives what Janus said to each."""
        mid = self._feed.audio_mid
        moderate = {"request": "moderate", "room": self._join.room, "id": self._site, "mid": mid}
        said = []
        for body in (
            {"request": "configure", "streams": [{"mid": mid, "send": True}]},
            {"request": "configure", "audio": True, "keyframe": True},
            {**moderate, "mute": False},
            {**moderate, "mute": False, "secret": self._join.pin},
        ):
            try:
                said.append(str((await self._janus.handle.ask(body))[0]))
            except JanusRefused as refused:
                said.append(f"refused {refused.code}")
        return said

    async def leave(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
            await self._publication.close()
            await self._janus.aclose()

    # what the microphone tells

    def microphone_opened(self) -> None: ...

    def microphone_closed(self) -> None: ...

    def sound(self, packet: av.Packet) -> None:
        self.sent += 1
        self._publication.send_audio(packet)


class Eavesdropper:
    """Subscribes to the sound of whatever feed it likes, and keeps what comes."""

    def __init__(self) -> None:
        self._samples: list[Any] = []

    async def join(self, join: Join, ca: Path, at: Feed) -> Self:
        self._janus = await Janus.connect(join.url, str(ca))
        self._subscription = await Subscription.open(
            self._janus, join, at, [None] * (PICTURES + VOICES), self
        )
        return self

    async def listen(self, feed: Feed, seconds: float) -> Sound:
        """What comes from a feed in a time: 48 kHz mono, as long as what came."""
        if self._subscription.slots[PICTURES].feed != feed.site:
            await self._subscription.switch(PICTURES, feed)
            await asyncio.sleep(1)  # what is under way of the feed before
        self._samples.clear()
        await asyncio.sleep(seconds)
        return np.concatenate([np.zeros(0), *self._samples]).astype(np.float64) / 32768

    async def leave(self) -> None:
        await self._subscription.close()
        await self._janus.aclose()

    # what the subscription tells

    def picture(self, source: Subscription, index: int, frame: av.VideoFrame) -> None: ...

    def voice(self, source: Subscription, index: int, frame: av.AudioFrame) -> None:
        samples = frame.to_ndarray()[0]
        self._samples.append(samples[:: frame.layout.nb_channels])

    def broken(self, source: Subscription) -> None: ...


async def feeds(join: Join, ca: Path) -> dict[str, Feed]:
    """Who sends what in a room: its feeds by site."""
    janus = await Janus.connect(join.url, str(ca))
    try:
        handle = await janus.attach(lambda message: None)
        found = Publishers("ke-nghe")
        found.take(await join_as_publisher(janus, handle, join, "ke-nghe", "Kẻ nghe", None))
        return found.feeds
    finally:
        await janus.aclose()
