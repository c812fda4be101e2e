"""Cameras: what they are to the media process, and which driver a source names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import av
from diemcau_wire.messages import SiteInfo, Video

from .camera_lost import CameraLost, Why

__all__ = ["Camera", "CameraLost", "Description", "Why", "fit", "open_camera"]


@dataclass(frozen=True, slots=True)
class Description:
    """What a camera gives: its own words for the format, pixels, and what was measured of late.

    `fps` is None until a second has been seen; `key_frame_s`, the longest time from one key frame to the
    next, is None until two were seen and for pictures that are not coded. `remark` says what is odd.
    """

    codec: str
    width: int
    height: int
    fps: float | None = None
    key_frame_s: float | None = None
    remark: str = ""


class Camera(Protocol):
    """An open camera, read by one thread. It paces itself."""

    @property
    def coded(self) -> bool:
        """True: :meth:`read` gives H.264 access units (annex B) to pass through; False: pictures to encode.

        It turns from True to False when a camera begins to send what cannot be passed through.
        """

    def read(self) -> av.VideoFrame | av.Packet:
        """The next picture (yuv420p, even sides) or access unit. Raises :class:`CameraLost`."""

    def describe(self) -> Description:
        """What it gives, as far as is known yet."""

    def request_key_frame(self) -> None:
        """Ask a camera that codes for a key frame soon. Does not wait; many cannot and do nothing."""

    def close(self) -> None:
        """Let the device go. A second time does nothing."""


def open_camera(source: str, video: Video, site: SiteInfo, *, small: bool = False) -> Camera | None:
    """Open the camera a source string names; None for `none`. Blocks up to 10 s.

    `video` is the size and rate wanted of a camera whose pictures we encode; `site` is what the
    synthetic camera shows; `small` asks an ONVIF camera for its smaller stream. Raises
    :class:`CameraLost`, also for a source nobody knows.
    """
    kind, _, rest = source.partition(":")
    if source == "none":
        return None
    if source == "synthetic":
        from .synthetic import SyntheticCamera

        return SyntheticCamera(video, site)
    if kind in ("rtsp", "rtsps"):
        from .rtsp import RtspCamera

        return RtspCamera(source, video)
    if kind == "onvif":
        from .onvif import open_onvif

        return open_onvif(source, video, small=small)
    if kind == "v4l2" and rest:
        from .v4l2 import V4l2Camera

        return V4l2Camera(rest, video)
    if kind == "file" and rest:
        from .video_file import VideoFileCamera

        return VideoFileCamera(rest, video)
    if kind == "fake" and rest:
        from .fake.camera import FakeCamera

        return FakeCamera(rest, video)
    raise CameraLost("no driver knows this kind of camera", why="unsupported")


def fit(width: int, height: int, video: Video) -> tuple[int, int]:
    """The size (even sides) at which a picture of `width` x `height` fits into `video`, never enlarged."""
    scale = min(1.0, video.width / width, video.height / height)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
