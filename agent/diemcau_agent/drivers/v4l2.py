"""A Video4Linux camera, through FFmpeg's v4l2 input.

Its own H.264 is passed through where it gives it at the wanted size with a key frame at least every 2.5 s;
else its pictures are taken at the nearest size and rate, to be encoded here. It is read without blocking: a
camera that stops giving pictures would otherwise hold its thread, and itself, for ever.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import av
from diemcau_wire.messages import Video

from . import v4l2_devices
from .camera_lost import CameraLost
from .cameras import Description, fit
from .coded_stream import CodedStream
from .ffmpeg_errors import camera_lost
from .pace import Pace
from .v4l2_devices import Mode

_OPEN_S, _READ_S, _NAP_S = 5.0, 3.0, 0.004
_KEY_FRAME_S = 2.5
_TRIES = 4
_NON_BLOCKING = "0x0004"  # AVFMT_FLAG_NONBLOCK; the option has no name for it
_ENOUGH = 0.8  # of the wanted rate
# What the kernel calls a format (linux/videodev2.h) and FFmpeg's name, cheapest to take first.
_RAW = {"NV12": "nv12", "YU12": "yuv420p", "YUYV": "yuyv422", "UYVY": "uyvy422", "422P": "yuv422p"}
_FORMATS = {"H264": "h264", **_RAW, "MJPG": "mjpeg", "JPEG": "mjpeg", "BGR3": "bgr24", "RGB3": "rgb24"}
_RANK = {pixels: rank for rank, pixels in enumerate(_FORMATS)}


def choose(modes: Sequence[Mode], video: Video) -> list[Mode]:
    """The modes worth trying, best first: H.264 of just the wanted size and rate, then the nearest pictures.

    A picture that is large enough is nearer than one that is too small; a rate that is too low weighs more
    than either. Pure.
    """

    def fast(mode: Mode) -> bool:
        return mode.fps is None or mode.fps >= _ENOUGH * video.fps

    def distance(mode: Mode) -> tuple[bool, float, int]:
        larger = math.log2(mode.width * mode.height / (video.width * video.height))
        return not fast(mode), larger if larger >= 0 else -4 * larger, _RANK[mode.pixels]

    known = [mode for mode in modes if mode.pixels in _FORMATS and mode.width and mode.height]
    wanted = (video.width, video.height)
    coded = [m for m in known if m.pixels == "H264" and (m.width, m.height) == wanted and fast(m)]
    pictures = sorted((m for m in known if m.pixels != "H264"), key=distance)
    rest = sorted((m for m in known if m.pixels == "H264" and m not in coded), key=distance)
    return [*coded, *pictures[:_TRIES], *rest[:1]]


class V4l2Camera:
    """Opens the camera `name` (see `v4l2_devices`) in the mode that suits `video` best."""

    def __init__(self, name: str, video: Video) -> None:
        self._name, self._video = name, video
        self._node = v4l2_devices.resolve(name)
        self._pace, self._due = Pace(), 0.0
        self._size = (0, 0)
        self._coded: CodedStream | None = None
        self._open(choose(v4l2_devices.modes(self._node), video))

    @property
    def coded(self) -> bool:
        """Whether its own H.264 passes through."""
        return self._coded is not None and self._coded.coded

    def read(self) -> av.VideoFrame | av.Packet:
        """The next picture or access unit. Raises :class:`CameraLost` when it is unplugged."""
        if self._coded is not None:
            return self._coded.read()
        deadline = time.monotonic() + _READ_S
        while True:
            try:
                frames = self._packet().decode()
            except av.FFmpegError:  # one damaged picture; the next is as good as new
                frames = []
            now = time.monotonic()
            for frame in frames:
                self._pace.take(now)
                self._size = frame.width, frame.height
                if now < self._due:  # faster than was asked for
                    continue
                self._due = now + 0.7 / self._video.fps
                width, height = fit(frame.width, frame.height, self._video)
                return frame.reformat(width=width, height=height, format="yuv420p")
            if now > deadline:
                raise CameraLost(f"{self._name}: gives nothing that can be decoded", why="silent")

    def describe(self) -> Description:
        """Format, size and pace of what has come."""
        if self._coded is not None:
            return self._coded.describe()
        return Description(self._stream.codec_context.name, *self._size, self._pace.fps)

    def request_key_frame(self) -> None:
        """Ask for one, where the camera codes."""
        if self._coded is not None:
            v4l2_devices.force_key_frame(self._node)

    def close(self) -> None:
        """Let the device go."""
        self._container.close()

    def _open(self, modes: list[Mode]) -> None:
        refusal = CameraLost(f"{self._name}: offers no format that is known here", why="unsupported")
        for last, mode in ((mode is modes[-1], mode) for mode in modes):
            try:
                self._start(mode)
                if mode.pixels != "H264" or last or self._key_frames_come():
                    return
                self._container.close()
            except CameraLost as lost:
                if lost.why in ("busy", "missing", "refused"):
                    raise
                refusal = lost
        raise refusal

    def _start(self, mode: Mode) -> None:
        options = {
            "input_format": _FORMATS[mode.pixels],
            "video_size": f"{mode.width}x{mode.height}",
            "fflags": _NON_BLOCKING,
        }
        if mode.fps is not None:
            options["framerate"] = f"{min(mode.fps, self._video.fps):g}"
        try:
            self._container = av.open(self._node, format="v4l2", options=options, timeout=(_OPEN_S, _READ_S))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise camera_lost(self._name, error, opening=True) from None
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1
        self._size = mode.width, mode.height
        self._coded = None
        if mode.pixels == "H264":
            self._coded = CodedStream(self._name, self._packet, self._video, size=self._size)

    def _key_frames_come(self) -> bool:
        """Whether a second key frame follows the first within 2.5 s, and the first comes at all."""
        began, first = time.monotonic(), 0.0
        while time.monotonic() - (first or began) < _KEY_FRAME_S:
            key = self._packet().is_keyframe
            if key and first:
                return True
            first = first or (time.monotonic() if key else 0.0)
        return False

    def _packet(self) -> av.Packet:
        """What the driver gives next that is not empty. Raises :class:`CameraLost`."""
        deadline = time.monotonic() + _READ_S
        while time.monotonic() < deadline:
            try:
                packet = next(self._container.demux(self._stream))
            except av.error.BlockingIOError:
                time.sleep(_NAP_S)
                continue
            except (av.FFmpegError, OSError, StopIteration) as error:
                raise camera_lost(self._name, error, opening=False) from None
            if packet.size:  # pictures the driver itself found damaged are empty
                return packet
            time.sleep(_NAP_S)
        raise CameraLost(f"{self._name}: has given no picture for {_READ_S:g} s", why="silent")
