"""The pictures of docs/pictures, made from the product itself: `make pictures`.

Hall screens come from the screen's own gallery and from three real units in real meetings; the pages
from headless Chromium: on the controller of those meetings, and for many sites on a made-up fleet.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.lab.pictures_of_enrolment import photograph_enrolment
from tests.lab.pictures_of_meetings import photograph_meetings
from tests.lab.pictures_of_offices import photograph_offices

LARGEST_BYTES = 150_000


def main(folder: Path) -> int:
    """Write every picture into `folder`; 0 when all are there."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "diemcau_agent.screen.gallery", str(folder / "screen")], check=True)
    with tempfile.TemporaryDirectory(prefix="diemcau-pictures-") as root:
        photograph_meetings(Path(root) / "stage", folder)
        photograph_offices(Path(root), folder)
        photograph_enrolment(Path(root) / "enrolment", folder)
    pictures = list(folder.rglob("*.png"))
    for picture in pictures:
        make_small(picture)
    print(f"{len(pictures)} pictures in {folder}")
    return 0


def make_small(path: Path) -> None:
    """Few colours, and if that is not enough fewer points: every clone of the repository carries it."""
    with Image.open(path) as opened:
        whole = opened.convert("RGB")
    for width, colours in ((1, 256), (1, 96), (0.75, 96), (0.5, 96), (0.375, 48)):
        size = (round(whole.width * width), round(whole.height * width))
        picture = whole if width == 1 else whole.resize(size, Image.Resampling.LANCZOS)
        picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= LARGEST_BYTES:
            return


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
