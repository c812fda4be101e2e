"""A camera as they hang in halls: H.264 over RTSP, live, with a picture in which its site can be read."""

from __future__ import annotations

import subprocess
import threading
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from diemcau_agent.drivers.synthetic import SyntheticCamera
from diemcau_controller.namespace import ADDRESS
from diemcau_wire.messages import SiteInfo, Video

from .room_recording import slices

FPS = 25
_SERVER = Path(__file__).parents[1] / "lab" / "rtsp_server.py"
_PYTHON = "/usr/bin/python3"  # it has GObject introspection, ours has not


class RtspCamera:
    """Shows the code of `site`. `sent` has the hash of every slice, in order. A context."""

    def __init__(self, site: str, name: str, port: int) -> None:
        self.sent: list[str] = []
        self._server = subprocess.Popen(
            [_PYTHON, _SERVER, "--address", ADDRESS, "--port", str(port), "--file", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdin is not None and self._server.stdout is not None
        self.url = self._server.stdout.readline().decode().split()[1]
        video = Video(width=640, height=360, fps=FPS, bitrate_bps=800_000)
        self._drawing = SyntheticCamera(video, SiteInfo(id=site, name=name))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="rtsp camera")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()
        self._server.kill()
        self._server.communicate()

    def _work(self) -> None:
        encoder = _encoder()
        assert self._server.stdin is not None
        count = 0
        while not self._ended.is_set():
            picture = self._drawing.read()
            picture.pts, picture.time_base = count, Fraction(1, FPS)
            count += 1
            for packet in encoder.encode(picture):
                self.sent += slices(bytes(packet))
                self._server.stdin.write(bytes(packet))
                self._server.stdin.flush()


def _encoder() -> av.VideoCodecContext:
    """Constrained baseline, a key frame a second, two slices to a picture."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 640, 360, "yuv420p"
    encoder.bit_rate, encoder.gop_size, encoder.thread_count = 800_000, FPS, 1
    encoder.framerate, encoder.time_base = Fraction(FPS), Fraction(1, FPS)
    encoder.options = {
        "preset": "superfast",
        "tune": "zerolatency",
        "profile": "baseline",
        "slices": "2",
        "x264-params": f"keyint={FPS}:min-keyint={FPS}:scenecut=0",
    }
    return encoder
