"""The picture both sides publish: 720p30 with movement everywhere, raw and as an IP camera's H.264."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, FPS = 1280, 720, 30
SECONDS = 3
BITRATE_BPS = 2_000_000


def frames() -> list[np.ndarray]:
    """I420 pictures whose end joins their beginning: a texture that moves, and a disc that goes round."""
    chance = np.random.default_rng(1)
    coarse = chance.integers(40, 200, (HEIGHT // 16, WIDTH // 16), np.uint8)
    texture = np.kron(coarse, np.ones((16, 16), np.uint8))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    chroma = np.full((HEIGHT // 2, WIDTH), 120, np.uint8)
    made = []
    total = FPS * SECONDS
    for at in range(total):
        luma = np.roll(texture, at * WIDTH // total, axis=1)
        angle = 2 * np.pi * at / total
        x, y = WIDTH / 2 + 400 * np.cos(angle), HEIGHT / 2 + 220 * np.sin(angle)
        luma[(rows - y) ** 2 + (columns - x) ** 2 < 90**2] = 235
        made.append(np.concatenate([luma, chroma]))
    return made


def write(folder: Path) -> tuple[Path, Path]:
    """`film.y4m` (raw) and `film.h264` (a key frame a second, annex B)."""
    pictures = frames()
    raw, coded = folder / "film.y4m", folder / "film.h264"
    with raw.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            file.write(b"FRAME\n" + picture.tobytes())
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.bit_rate, encoder.gop_size = BITRATE_BPS, FPS
    encoder.framerate, encoder.time_base = Fraction(FPS), Fraction(1, FPS)
    encoder.options = {
        "preset": "superfast",
        "tune": "zerolatency",
        "profile": "baseline",
        "x264-params": f"keyint={FPS}:min-keyint={FPS}:scenecut=0:repeat-headers=1",
    }
    with coded.open("wb") as file:
        for at, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = at
            for packet in encoder.encode(frame):
                file.write(bytes(packet))
        for packet in encoder.encode():
            file.write(bytes(packet))
    return raw, coded
