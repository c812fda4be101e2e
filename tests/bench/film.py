"""The picture both sides publish, with movement everywhere: raw, a webcam's JPEG, an IP camera's H.264."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FPS = 30
SECONDS = 3


@dataclass(frozen=True, slots=True)
class Size:
    """Of a picture, and what it may cost on the line."""

    width: int
    height: int
    bitrate_bps: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def video(self) -> dict[str, int]:
        """As in a site's configuration."""
        sides = {"width": self.width, "height": self.height}
        return {**sides, "fps": FPS, "bitrate_bps": self.bitrate_bps}


HD = Size(1280, 720, 2_000_000)
SIZES = (Size(640, 360, 600_000), HD, Size(1920, 1080, 4_500_000))


@dataclass(frozen=True, slots=True)
class Film:
    """Three seconds whose end joins their beginning: `raw` (y4m), `jpeg` (AVI), `coded` (H.264, annex B)."""

    size: Size
    raw: Path
    jpeg: Path
    coded: Path


def write(folder: Path, size: Size = HD) -> Film:
    """Make the film of this size in `folder`."""
    folder.mkdir(exist_ok=True)
    film = Film(size, folder / "film.y4m", folder / "film.avi", folder / "film.h264")
    pictures = _pictures(size)
    with film.raw.open("wb") as file:
        file.write(f"YUV4MPEG2 W{size.width} H{size.height} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            file.write(b"FRAME\n" + picture.tobytes())
    _encode_jpeg(film, pictures)
    _encode_h264(film, pictures)
    return film


def _pictures(size: Size) -> list[np.ndarray]:
    """I420 pictures: a texture that moves, and a disc that goes round."""
    width, height = size.width, size.height
    side = height // 45
    chance = np.random.default_rng(1)
    coarse = chance.integers(40, 200, (45, -(-width // side)), np.uint8)
    texture = np.kron(coarse, np.ones((side, side), np.uint8))[:, :width]
    rows, columns = np.mgrid[0:height, 0:width]
    chroma = np.full((height // 2, width), 120, np.uint8)
    made = []
    total = FPS * SECONDS
    for at in range(total):
        luma = np.roll(texture, at * width // total, axis=1)
        angle = 2 * np.pi * at / total
        x, y = width * (0.5 + 0.31 * np.cos(angle)), height * (0.5 + 0.31 * np.sin(angle))
        luma[(rows - y) ** 2 + (columns - x) ** 2 < (height / 8) ** 2] = 235
        made.append(np.concatenate([luma, chroma]))
    return made


def _encode_jpeg(film: Film, pictures: list[np.ndarray]) -> None:
    with av.open(film.jpeg, "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = film.size.width, film.size.height, "yuvj420p"
        stream.codec_context.options = {"q:v": "5"}
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="yuvj420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _encode_h264(film: Film, pictures: list[np.ndarray]) -> None:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = film.size.width, film.size.height, "yuv420p"
    encoder.bit_rate, encoder.gop_size = film.size.bitrate_bps, FPS
    encoder.framerate, encoder.time_base = Fraction(FPS), Fraction(1, FPS)
    encoder.options = {
        "preset": "superfast",
        "tune": "zerolatency",
        "profile": "baseline",
        "x264-params": f"keyint={FPS}:min-keyint={FPS}:scenecut=0:repeat-headers=1",
    }
    with film.coded.open("wb") as file:
        for at, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = at
            for packet in encoder.encode(frame):
                file.write(bytes(packet))
        for packet in encoder.encode():
            file.write(bytes(packet))
