"""H.264 as a camera codes it, IP or USB: passed through, or decoded when it cannot be.

B-frames cannot be passed through: their access units come in another order than they are shown in, and who
receives WebRTC shows them in the order they come. So such a stream is decoded and encoded again here; that
costs some tenths of a core, and the hall, where nobody could set the camera otherwise, has its picture.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import av
from diemcau_wire.messages import Video

from .camera_lost import CameraLost
from .cameras import Description, fit
from .pace import Pace

_SPS = 7
_WATCHED = 60  # access units: B-frames come within the first few, or not at all
_BACKWARD = 2  # so many steps back are no accident
_JUMP_S = 1.0  # a step back that is longer is a clock that was set
_REORDERED = "sends B-frames: decoded and encoded again here"


class CodedStream:
    """Access units from `next_packet`, ready to pass through or already decoded.

    `sets` are SPS and PPS in annex B form, put before key frames that come without; `video` bounds the
    size of pictures that are decoded.
    """

    def __init__(
        self,
        name: str,
        next_packet: Callable[[], av.Packet],
        video: Video,
        *,
        sets: bytes = b"",
        size: tuple[int, int] = (0, 0),
    ) -> None:
        self._name, self._next, self._video = name, next_packet, video
        self._sets = sets if sets.startswith((b"\0\0\1", b"\0\0\0\1")) else b""
        self._size = size
        self._sps: list[bytes] = []
        self._pace = Pace()
        self._order = Reordering()
        self._watched: list[av.Packet] = []
        self._decoder: av.CodecContext | None = None
        self._pictures: deque[av.VideoFrame] = deque()

    @property
    def coded(self) -> bool:
        """Whether access units pass through."""
        return self._decoder is None

    def read(self) -> av.VideoFrame | av.Packet:
        """The next one. Raises what `next_packet` does, and :class:`CameraLost`."""
        while not self._pictures:
            packet = self._next()
            if not packet.size:
                continue
            self._pace.take(time.monotonic(), key=packet.is_keyframe)
            packet = self._with_sets(packet)
            if self._decoder is None and not self._reorders(packet):
                return packet
            self._decode(packet)
        return self._pictures.popleft()

    def describe(self) -> Description:
        """What has come so far."""
        width, height = self._size
        remark = "" if self.coded else _REORDERED
        return Description("h264", width, height, self._pace.fps, self._pace.key_frame_s, remark)

    def _reorders(self, packet: av.Packet) -> bool:
        """Watch the order of the first access units, keeping them for a decoder that may be needed."""
        backward = self._order.take(packet)
        if self._order.count <= _WATCHED and (self._watched or packet.is_keyframe):
            if packet.is_keyframe:
                self._watched.clear()
            self._watched.append(packet)
        elif self._watched:
            self._watched.clear()
        if not backward:
            return False
        if self._order.count > _WATCHED:
            raise CameraLost(f"{self._name}: began to send B-frames")  # opened again, it is seen at once
        self._decoder = av.CodecContext.create("h264", "r")
        self._decoder.thread_count = 1
        for earlier in self._watched[:-1]:
            self._decode(earlier)
        self._watched.clear()
        self._pictures.clear()  # they have been seen
        return True

    def _decode(self, packet: av.Packet) -> None:
        assert self._decoder is not None
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:  # a damaged picture; the next key frame mends it
            return
        for frame in frames:
            width, height = fit(frame.width, frame.height, self._video)
            self._pictures.append(frame.reformat(width=width, height=height, format="yuv420p"))

    def _with_sets(self, packet: av.Packet) -> av.Packet:
        """Put SPS and PPS before a key frame that comes without, and learn from them how large it is."""
        if not packet.is_keyframe:
            return packet
        if self._sets and _SPS not in nal_types(bytes(packet)):
            whole = av.Packet(self._sets + bytes(packet))
            whole.pts, whole.dts, whole.time_base = packet.pts, packet.dts, packet.time_base
            whole.is_keyframe = True
            packet = whole
        self._measure(bytes(packet))
        return packet

    def _measure(self, key_frame: bytes) -> None:
        """The size is read once for each SPS, by FFmpeg, from the key frame that it begins."""
        sps = _sps(key_frame)
        if sps == self._sps:
            return
        self._sps = sps
        decoder = av.CodecContext.create("h264", "r")
        try:
            frames = [*decoder.decode(av.Packet(key_frame)), *decoder.decode(None)]
        except av.FFmpegError:
            return
        if frames:
            self._size = frames[0].width, frames[0].height


class Reordering:
    """Whether access units come in another order than they are shown in. Pure."""

    def __init__(self) -> None:
        self.count = 0
        self._last: float | None = None
        self._backward: deque[int] = deque(maxlen=_BACKWARD)

    def take(self, packet: av.Packet) -> bool:
        """True when their times have gone back a little for the second time within a few pictures."""
        self.count += 1
        if packet.pts is None or packet.time_base is None:
            return False
        at = float(packet.pts * packet.time_base)
        back = self._last is not None and 0 < self._last - at < _JUMP_S
        self._last = at
        if back:
            self._backward.append(self.count)
        return back and len(self._backward) == _BACKWARD and self.count - self._backward[0] <= _WATCHED


def nal_types(data: bytes) -> list[int]:
    """Types of the NAL units of an access unit in annex B form (ITU-T H.264, table 7-1)."""
    types = []
    at = data.find(b"\0\0\1")
    while at != -1 and at + 3 < len(data):
        types.append(data[at + 3] & 0x1F)
        at = data.find(b"\0\0\1", at + 3)
    return types


def _sps(data: bytes) -> list[bytes]:
    return [nal for nal in data.split(b"\0\0\1") if nal and nal[0] & 0x1F == _SPS]
