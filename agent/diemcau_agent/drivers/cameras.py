"""Cameras: what they are to the media process, and which driver a source names."""

from __future__ import annotations

from typing import Protocol

import av
from diemcau_wire.messages import SiteInfo, Video


class CameraLost(OSError):
    """The camera cannot be opened or gives nothing any more; the text says why."""


class Camera(Protocol):
    """An open camera, read by one thread. It paces itself."""

    coded: bool
    """True: :meth:`read` gives H.264 access units (annex B) to pass through; False: pictures to encode."""

    def read(self) -> av.VideoFrame | av.Packet:
        """The next picture (yuv420p, even sides) or access unit. Raises :class:`CameraLost`."""

    def close(self) -> None:
        """Let the device go."""


def open_camera(source: str, video: Video, site: SiteInfo) -> Camera | None:
    """Open the camera a source string names; None for `none`. Blocks up to 5 s.

    `video` is the size and rate wanted of a camera whose pictures we encode; `site` is what the
    synthetic camera shows. Raises :class:`CameraLost`, also for a source nobody knows.
    """
    kind, _, rest = source.partition(":")
    if source == "none":
        return None
    if source == "synthetic":
        from .synthetic import SyntheticCamera

        return SyntheticCamera(video, site)
    if kind in ("rtsp", "rtsps"):
        from .rtsp import RtspCamera

        return RtspCamera(source)
    if kind == "v4l2" and rest:
        from .v4l2 import V4l2Camera

        return V4l2Camera(rest, video)
    if kind == "file" and rest:
        from .video_file import VideoFileCamera

        return VideoFileCamera(rest, video)
    raise CameraLost(f"no driver for camera {source!r}")


def fit(width: int, height: int, video: Video) -> tuple[int, int]:
    """The size (even sides) at which a picture of `width` x `height` fits into `video`, never enlarged."""
    scale = min(1.0, video.width / width, video.height / height)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
