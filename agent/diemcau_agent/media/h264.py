"""The H.264 encoder: libx264, superfast, no delay, one thread; and the time line of passed-through video."""

from __future__ import annotations

import time
from fractions import Fraction

import av
from diemcau_wire.messages import Video

CLOCK_HZ = 90_000
TIME_BASE = Fraction(1, CLOCK_HZ)
_SAVED = 2.0  # a parked slot of our own asks for a key frame when we join, and the floor right after it
_GOP_S = 10  # late joiners ask for a key frame; this is for those whose request got lost


def now_tick() -> int:
    """This moment in ticks of 90 kHz."""
    return time.monotonic_ns() * 9 // 100_000


class Encoder:
    """Encodes pictures of one size to access units in annex B, SPS and PPS before every IDR."""

    def __init__(self, width: int, height: int, video: Video) -> None:
        self.size = width, height
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height = width, height
        codec.pix_fmt = "yuv420p"
        codec.bit_rate = video.bitrate_bps
        codec.framerate = Fraction(video.fps)
        codec.time_base = TIME_BASE
        codec.gop_size = _GOP_S * video.fps
        codec.thread_count = 1
        codec.options = {
            "preset": "superfast",
            "tune": "zerolatency",
            "profile": "baseline",
            "forced-idr": "1",
            "sc_threshold": "0",
            "maxrate": str(video.bitrate_bps),
            "bufsize": str(video.bitrate_bps // 2),
        }
        self._codec = codec

    def encode(self, frame: av.VideoFrame, pts: int, *, key: bool) -> list[av.Packet]:
        """Encode one picture shown at `pts` (90 kHz); `key` makes it an IDR picture."""
        frame.pts, frame.time_base = pts, TIME_BASE
        frame.pict_type = av.video.frame.PictureType.I if key else av.video.frame.PictureType.NONE
        packets: list[av.Packet] = self._codec.encode(frame)
        for packet in packets:
            packet.time_base = TIME_BASE
        return packets


class KeyFrameBudget:
    """How many key frames may be made: one a second, and one that was saved up. Pure."""

    def __init__(self) -> None:
        self._saved = _SAVED
        self._since = 0

    def spend(self, tick: int) -> bool:
        """Whether a key frame may be made at `tick` (90 kHz); if so it is spent."""
        self._saved = min(_SAVED, self._saved + (tick - self._since) / CLOCK_HZ)
        self._since = tick
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


class TimeLine:
    """Turns the times of a camera's access units into ones that only ever go forward.

    A camera's pts may be missing at first, start anywhere and jump when it is set right; what comes out
    is in 90 kHz ticks, near `now` and rising.
    """

    def __init__(self) -> None:
        self._offset: int | None = None
        self._last: int | None = None

    def at(self, pts: int | None, time_base: Fraction | None, now: int) -> int:
        """The tick of an access unit that came at tick `now`."""
        if pts is None or time_base is None:
            tick = now
        else:
            own = int(pts * time_base * CLOCK_HZ)
            if self._offset is None or abs(own + self._offset - now) > CLOCK_HZ:
                self._offset = now - own
            tick = own + self._offset
        if self._last is not None and tick <= self._last:
            tick = self._last + 1
        self._last = tick
        return tick
