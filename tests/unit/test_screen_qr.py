"""The QR code on the hall's screen, read as a phone at 3 m sees it."""

from pathlib import Path

import pytest
import zxingcpp
from diemcau_agent.screen.gallery import VIEWS, draw_all
from diemcau_agent.screen.theme import FONTS
from PIL import Image

MM_PER_PIXEL = 0.744  # a television of 43 inches at 1280 × 720
PHONE_PIXELS_PER_MM = 0.49  # a 1080p camera with a view of 66 degrees, 3 m away


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    draw_all(folder, 1280, 720, Path(FONTS))
    return folder


WITHOUT = {"meeting-phone-speaking"}  # who speaks need not ask for the floor


@pytest.mark.parametrize("name", [n for n, line in VIEWS.items() if "phone" in line and n not in WITHOUT])
def test_a_phone_three_metres_away_reads_the_code(pictures: Path, name: str) -> None:
    scale = MM_PER_PIXEL * PHONE_PIXELS_PER_MM
    with Image.open(pictures / f"{name}.png") as screen:
        seen = screen.convert("L").resize(
            (round(1280 * scale), round(720 * scale)), Image.Resampling.BILINEAR
        )
    assert [code.text for code in zxingcpp.read_barcodes(seen)] == [VIEWS[name]["phone"]]
