"""An IP camera over RTSP (interleaved in TCP): its H.264 goes through untouched, nothing is decoded."""

from __future__ import annotations

import time

import av
from diemcau_wire.messages import Video

from .camera_lost import CameraLost
from .cameras import Description
from .coded_stream import CodedStream
from .ffmpeg_errors import camera_lost

_OPEN_S, _READ_S = 5.0, 3.0
_OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",  # the camera's own microphone is none of ours
    "fflags": "nobuffer",
    "analyzeduration": "200000",
}


class RtspCamera:
    """Reads access units of the first video stream, which must be H.264."""

    def __init__(self, url: str, video: Video) -> None:
        self._name = without_password(url)
        began = time.monotonic()
        try:
            self._container = av.open(url, format="rtsp", options=_OPTIONS, timeout=(_OPEN_S, _READ_S))
        except (av.FFmpegError, OSError, ValueError) as error:
            # an answer that did not come in time is told like one that makes no sense
            late = time.monotonic() - began >= _OPEN_S and isinstance(error, av.error.InvalidDataError)
            why = TimeoutError("it does not answer in time") if late else error
            raise camera_lost(self._name, why, opening=True) from None
        streams = self._container.streams.video
        codec = streams[0].codec_context if streams else None
        if codec is None or codec.name != "h264":
            self._container.close()
            given = f"sends {codec.name}" if codec is not None else "sends no video"
            raise CameraLost(f"{self._name}: {given}; H.264 is needed", why="unsupported")
        self._packets = self._container.demux(streams[0])
        self._stream = CodedStream(
            self._name,
            self._next,
            video,
            sets=codec.extradata or b"",
            size=(codec.width, codec.height),
        )

    @property
    def coded(self) -> bool:
        """Whether its access units pass through."""
        return self._stream.coded

    def read(self) -> av.VideoFrame | av.Packet:
        """The next access unit; its pts may be missing or jump. Raises :class:`CameraLost`."""
        return self._stream.read()

    def describe(self) -> Description:
        """Size and pace of what has come."""
        return self._stream.describe()

    def request_key_frame(self) -> None:
        """RTSP has no word for it."""

    def close(self) -> None:
        """Hang up."""
        self._container.close()

    def _next(self) -> av.Packet:
        try:
            return next(self._packets)
        except (av.FFmpegError, OSError, StopIteration) as error:
            raise camera_lost(self._name, error, opening=False) from None


def without_password(url: str) -> str:
    """The address as it may be logged and shown: without user and password, wherever makers put them."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.rpartition("@")[2].partition("?")[0].partition("/")
    return f"{scheme}://{host}{slash}{path if '=' not in path else '…'}"
