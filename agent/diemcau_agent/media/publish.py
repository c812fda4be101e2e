"""The publishing connection: one H.264 and one Opus track, whether or not something comes from them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import av
from aiortc import RTCPeerConnection
from diemcau_wire.messages import Join

from . import connection
from .faults import Fault
from .janus import Handle, Janus, JanusRefused, Message
from .room import Feed, Publishers, join_as_publisher
from .watchdog import UplinkWatch

log = logging.getLogger(__name__)

_UP_S = 8.0
_VIDEO_UNITS, _AUDIO_PACKETS = 30, 10  # what may wait to be sent: a second of video, 0.2 s of sound


class Publication:
    """What we publish, and what Janus tells the publisher: who else there is, and whether it hears us.

    `on_publishers` gets the sites whose feed has just gone, whenever anybody came or went.
    """

    def __init__(
        self, site: str, request_key_frame: Callable[[], None], on_publishers: Callable[[set[str]], None]
    ) -> None:
        self.publishers = Publishers(site)
        self.uplink = UplinkWatch()
        self.hangup: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.frames = self.key_frames = 0
        self.last_sent: float | None = None
        self._site = site
        self._request_key_frame, self._on_publishers = request_key_frame, on_publishers
        self._up = asyncio.Event()
        self._video = connection.PacketTrack("video", _VIDEO_UNITS)
        self._audio = connection.PacketTrack("audio", _AUDIO_PACKETS)
        self._peer: RTCPeerConnection | None = None
        self._handle: Handle
        self._offer: Message

    async def enter(self, janus: Janus, join: Join, name: str, previous_session: int | None) -> None:
        """Join: then we know who is there. Raises :class:`Fault` `join_refused`; :class:`JanusLost`."""
        self._handle = await janus.attach(self._take)
        (self._peer, self._offer), joined = await asyncio.gather(
            connection.offer(self._audio, self._video, self._request_key_frame),
            join_as_publisher(janus, self._handle, join, self._site, name, previous_session),
        )
        self.publishers.take(joined)

    async def publish(self) -> Feed:
        """Publish; gives our feed. Raises :class:`Fault` `join_refused`, `no_media`; :class:`JanusLost`."""
        assert self._peer is not None
        try:
            data, jsep = await self._handle.ask({"request": "configure"}, self._offer)
        except JanusRefused as refusal:
            raise Fault("join_refused", str(refusal)) from refusal
        mids = {stream["type"]: stream["mid"] for stream in data["streams"]}
        if jsep is None or set(mids) != {"audio", "video"}:
            raise Fault("join_refused", f"the room takes only {sorted(mids)} of us")
        await connection.accept(self._peer, jsep)
        try:
            await asyncio.wait_for(self._up.wait(), _UP_S)
        except TimeoutError:
            raise Fault("no_media", f"not connected for sending within {_UP_S:g} s") from None
        return Feed(self._site, mids["audio"], mids["video"])

    def send_video(self, packet: av.Packet) -> None:
        """Send an access unit; while there is no connection it is dropped."""
        if not self._up.is_set():
            return
        if not self._video.put(packet):
            self._request_key_frame()
        self.frames += 1
        self.key_frames += packet.is_keyframe
        self.last_sent = asyncio.get_running_loop().time()

    def send_audio(self, packet: av.Packet) -> None:
        """Send 20 ms of sound."""
        if self._up.is_set():
            self._audio.put(packet)

    def silence(self) -> None:
        """Forget sound that waits to be sent."""
        self._audio.clear()

    async def close(self) -> None:
        """Stop sending."""
        if self._peer is not None:
            await connection.close(self._peer)

    def _take(self, message: Message) -> None:
        match message["janus"]:
            case "webrtcup":
                self._up.set()
            case "hangup":
                if not self.hangup.done():
                    self.hangup.set_result(str(message.get("reason")))
            case "media" if message.get("type") == "video":
                self.uplink.heard(asyncio.get_running_loop().time(), bool(message.get("receiving")))
            case "event":
                data = message.get("plugindata", {}).get("data", {})
                gone = self.publishers.take(data)
                if gone or "publishers" in data:
                    self._on_publishers(gone)
