"""Peer connections as we use them, and every place where we lean on aiortc's inside.

- No STUN: aiortc asks a public server by default, and the networks we are made for have none.
- One H.264 payload type: with two a peer may answer one and send the other, which aiortc drops silently.
- Tracks give `av.Packet`s, which `RTCRtpSender` packs into RTP without opening an encoder. A key frame
  request then ends in a flag nobody reads, so `_send_keyframe` of the sender is replaced.
- `_send_rtcp_pli` of a receiver asks for a key frame; aiortc has no public name for it.
- A receiver waits for a missing packet until 512 others have come. When a slot comes back to the feed it was
  on and got nothing in between, what was sent meanwhile is such a gap, so its jitter buffer is made anew.
- A receiver of sound holds back four packets, and after a loss up to sixteen, and what waits for its decoder
  has no bound: its jitter buffer is replaced by one that has.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import av
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcrtpreceiver import NackGenerator

from .janus import Message
from .sound_order import SoundOrder

_PROFILE = "42e01f"
_SEND_TIME = "abs-send-time"
_CLOSE_S = 2.0


class PacketTrack(MediaStreamTrack):  # type: ignore[misc]  # aiortc is not typed
    """A track whose packets are put in from the event loop; while there are none, nothing is sent."""

    def __init__(self, kind: str, limit: int) -> None:
        super().__init__()
        self.kind = kind
        self._limit = limit
        self._packets: deque[av.Packet] = deque()
        self._some = asyncio.Event()

    def put(self, packet: av.Packet) -> bool:
        """Queue a packet. False when the sender is so far behind that everything queued was dropped."""
        kept = len(self._packets) < self._limit
        if not kept:
            self._packets.clear()
        self._packets.append(packet)
        self._some.set()
        return kept

    def clear(self) -> None:
        """Drop what is queued."""
        self._packets.clear()

    async def recv(self) -> av.Packet:
        """The next packet, for RTCRtpSender."""
        while not self._packets:
            if self.readyState != "live":
                raise MediaStreamError
            self._some.clear()
            await self._some.wait()
        return self._packets.popleft()


def new_connection() -> RTCPeerConnection:
    """A peer connection that asks nobody for its address."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


async def offer(
    audio: MediaStreamTrack, video: MediaStreamTrack, on_key_frame_request: Callable[[], None]
) -> tuple[RTCPeerConnection, Message]:
    """A connection that sends two tracks, and its offer as a JSEP."""
    connection = new_connection()
    for track in (audio, video):
        transceiver = connection.addTransceiver(track, direction="sendonly")
        transceiver.setCodecPreferences([c for c in _capabilities(track.kind) if _ours(c)])
        if track is video:
            transceiver.sender._send_keyframe = on_key_frame_request
    await connection.setLocalDescription(await connection.createOffer())
    return connection, _jsep(connection)


async def answer(connection: RTCPeerConnection, jsep: Message) -> Message:
    """Take Janus's offer; returns our answer as a JSEP.

    Two lines of the offer are changed first. Janus leaves to us who begins the DTLS handshake, and we
    leave it to Janus: a hello that comes before Janus has noticed that ICE is done is dropped, and the
    next one goes out a second later. And without send times aiortc estimates no bandwidth, which a
    switch throws off anyway and Janus does not use without simulcast.
    """
    lines = [line for line in jsep["sdp"].splitlines(keepends=True) if _SEND_TIME not in line]
    sdp = "".join(lines).replace("a=setup:actpass", "a=setup:active")
    await accept(connection, {**jsep, "sdp": sdp})
    await connection.setLocalDescription(await connection.createAnswer())
    return _jsep(connection)


async def accept(connection: RTCPeerConnection, jsep: Message) -> None:
    """Take a remote description."""
    await connection.setRemoteDescription(RTCSessionDescription(sdp=jsep["sdp"], type=jsep["type"]))


async def ask_for_key_frame(receiver: RTCRtpReceiver) -> None:
    """Send a picture loss indication for what the receiver gets now."""
    for source in receiver.getSynchronizationSources():
        await receiver._send_rtcp_pli(source.source)


def expect_gap(receiver: RTCRtpReceiver) -> None:
    """Have a receiver of video take the next packet as its first, whatever its number."""
    buffer = JitterBuffer(capacity=receiver._RTCRtpReceiver__jitter_buffer.capacity, is_video=True)
    receiver._RTCRtpReceiver__jitter_buffer = buffer
    receiver._RTCRtpReceiver__nack_generator = NackGenerator()


def take_sound_at_once(receiver: RTCRtpReceiver) -> None:
    """Have a receiver of sound hand on each packet as it comes; what evens them out comes behind it."""
    receiver._RTCRtpReceiver__jitter_buffer = SoundOrder(receiver._RTCRtpReceiver__decoder_queue.qsize)


async def close(connection: RTCPeerConnection) -> None:
    """Close a connection, but do not wait for ever."""
    try:
        await asyncio.wait_for(connection.close(), _CLOSE_S)
    except TimeoutError:
        return


def _capabilities(kind: str) -> list[Any]:
    return list(RTCRtpSender.getCapabilities(kind).codecs)


def _ours(codec: Any) -> bool:
    if codec.mimeType == "video/H264":
        return bool(codec.parameters.get("profile-level-id") == _PROFILE)
    return codec.mimeType in ("audio/opus", "video/rtx")


def _jsep(connection: RTCPeerConnection) -> Message:
    description = connection.localDescription
    return {"type": description.type, "sdp": description.sdp}
