"""A Video4Linux camera, through FFmpeg's v4l2 input."""

from __future__ import annotations

import av
from diemcau_wire.messages import Video

from .cameras import CameraLost, fit

_OPEN_S, _READ_S = 5.0, 3.0
_FORMATS = ("mjpeg", None)  # USB 2 carries 720p30 as MJPEG only; None: whatever the device likes best


class V4l2Camera:
    """Opens `device` at the size and rate of `video`, or the nearest it offers."""

    coded = False

    def __init__(self, device: str, video: Video) -> None:
        self._device, self._video = device, video
        self._container = self._open()
        self._frames = self._container.decode(self._container.streams.video[0])

    def read(self) -> av.VideoFrame:
        """The next picture. Raises :class:`CameraLost` when the device is unplugged."""
        try:
            frame = next(self._frames)
        except (av.FFmpegError, OSError, StopIteration) as error:
            raise CameraLost(f"{self._device}: {str(error) or 'no more pictures'}") from error
        width, height = fit(frame.width, frame.height, self._video)
        return frame.reformat(width=width, height=height, format="yuv420p")

    def close(self) -> None:
        """Let the device go."""
        self._container.close()

    def _open(self) -> av.container.InputContainer:
        wanted = {
            "video_size": f"{self._video.width}x{self._video.height}",
            "framerate": str(self._video.fps),
        }
        refusal: Exception | None = None
        for options in (*({**wanted, "input_format": f} if f else wanted for f in _FORMATS), {}):
            try:
                return av.open(self._device, format="v4l2", options=options, timeout=(_OPEN_S, _READ_S))
            except (av.FFmpegError, OSError) as error:
                refusal = error
                if isinstance(error, FileNotFoundError | PermissionError):
                    break
        raise CameraLost(f"{self._device}: {refusal}") from refusal
