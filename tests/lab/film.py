"""Films for IP cameras of tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from diemcau_agent.drivers.synthetic import SyntheticCamera
from diemcau_wire.messages import SiteInfo, Video


def film_of_two_sizes(file: Path) -> Path:
    """An elementary stream that changes its size every second."""
    with file.open("wb") as stream:
        for width, height in ((320, 180), (640, 360)) * 2:
            encoder = av.CodecContext.create("libx264", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.framerate, encoder.time_base = Fraction(5), Fraction(1, 5)
            encoder.options = {"preset": "superfast", "tune": "zerolatency", "profile": "baseline"}
            camera = SyntheticCamera(
                Video(width=width, height=height, fps=5), SiteInfo(id="phim", name="Phim")
            )
            for number in range(5):
                drawn = camera.read()
                drawn.pts, drawn.time_base = number, Fraction(1, 5)
                stream.writelines(bytes(packet) for packet in encoder.encode(drawn))
            stream.writelines(bytes(packet) for packet in encoder.encode(None))
    return file
