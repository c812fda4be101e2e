"""An IP camera over RTSP (interleaved in TCP): its H.264 goes through untouched, nothing is decoded."""

from __future__ import annotations

import av

from .cameras import CameraLost

_OPEN_S, _READ_S = 5.0, 3.0
_IDR, _SPS = 5, 7


class RtspCamera:
    """Reads access units of the first video stream, which must be H.264."""

    coded = True

    def __init__(self, url: str) -> None:
        try:
            self._container = av.open(
                url,
                format="rtsp",
                options={"rtsp_transport": "tcp", "fflags": "nobuffer", "analyzeduration": "1000000"},
                timeout=(_OPEN_S, _READ_S),
            )
        except (av.FFmpegError, OSError) as error:
            raise CameraLost(f"{_without_password(url)}: {error}") from error
        self._name = _without_password(url)
        streams = self._container.streams.video
        if not streams or streams[0].codec_context.name != "h264":
            self._container.close()
            raise CameraLost(f"{self._name}: gives no H.264")
        self._sets: bytes = streams[0].codec_context.extradata or b""
        self._packets = self._container.demux(streams[0])

    def read(self) -> av.Packet:
        """The next access unit; its pts may be missing or jump. Raises :class:`CameraLost`."""
        try:
            while True:
                packet = next(self._packets)
                if packet.size:
                    return self._with_sets(packet)
        except (av.FFmpegError, OSError, StopIteration) as error:
            raise CameraLost(f"{self._name}: {str(error) or 'the camera ended the stream'}") from error

    def close(self) -> None:
        """Hang up."""
        self._container.close()

    def _with_sets(self, packet: av.Packet) -> av.Packet:
        """Put SPS and PPS before a key frame when the camera sends them in the SDP only."""
        if not packet.is_keyframe or not self._sets.startswith((b"\0\0\1", b"\0\0\0\1")):
            return packet
        data = bytes(packet)
        if _SPS in nal_types(data):
            return packet
        whole = av.Packet(self._sets + data)
        whole.pts, whole.dts, whole.time_base = packet.pts, packet.dts, packet.time_base
        whole.is_keyframe = True
        return whole


def nal_types(data: bytes) -> list[int]:
    """Types of the NAL units of an access unit in annex B form (ITU-T H.264, table 7-1)."""
    types = []
    at = data.find(b"\0\0\1")
    while at != -1 and at + 3 < len(data):
        types.append(data[at + 3] & 0x1F)
        at = data.find(b"\0\0\1", at + 3)
    return types


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
