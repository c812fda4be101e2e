"""A video file as a camera: decoded in real time and repeated without end."""

from __future__ import annotations

import time
from collections.abc import Generator

import av
from diemcau_wire.messages import Video

from .camera_lost import CameraLost
from .cameras import Description, fit
from .ffmpeg_errors import camera_lost
from .pace import Pace


class VideoFileCamera:
    """Plays `path` again and again, at most at the size and rate of `video`."""

    coded = False

    def __init__(self, path: str, video: Video) -> None:
        self._path, self._video = path, video
        self._pace, self._size = Pace(), (0, 0)
        self._frames = self._play()
        self._first: av.VideoFrame | None = self._next()

    def read(self) -> av.VideoFrame:
        """The next picture, at its time. Raises :class:`CameraLost` when the file cannot be decoded."""
        frame, self._first = self._first or self._next(), None
        self._pace.take(time.monotonic())
        return frame

    def describe(self) -> Description:
        """Size and pace of what has come."""
        return Description("file", *self._size, self._pace.fps)

    def request_key_frame(self) -> None:
        """Its pictures are not coded here."""

    def close(self) -> None:
        """Close the file."""
        self._frames.close()

    def _next(self) -> av.VideoFrame:
        try:
            return next(self._frames)
        except (av.FFmpegError, OSError) as error:
            raise camera_lost(self._path, error, opening=True) from None
        except (StopIteration, IndexError):
            raise CameraLost(f"{self._path}: no picture in it", why="unsupported") from None

    def _play(self) -> Generator[av.VideoFrame, None, None]:
        """Pictures of one round after another, each when it is due; ends when a round is empty."""
        least_s = 0.9 / self._video.fps
        while True:
            count = 0
            began = time.monotonic()
            with av.open(self._path) as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1
                origin, due = None, -1.0
                for frame in container.decode(stream):
                    origin = frame.time if origin is None else origin
                    at = (frame.time or 0.0) - (origin or 0.0)
                    if at - due < least_s and count:
                        continue
                    due = at
                    time.sleep(max(0.0, began + at - time.monotonic()))
                    self._size = frame.width, frame.height
                    width, height = fit(frame.width, frame.height, self._video)
                    yield frame.reformat(width=width, height=height, format="yuv420p")
                    count += 1
            if count == 0:
                return
            time.sleep(max(0.0, began + due + 1 / self._video.fps - time.monotonic()))
