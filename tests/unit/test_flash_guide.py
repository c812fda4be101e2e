"""The guide for who flashes a disk says what the image, its file and the hall's screen say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from diemcau_agent.identity import boot_file

from firmware import boot_text
from firmware.layout import BOOT, CONFIG

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/huong-dan/ghi-anh-dia.md"
TEXT = GUIDE.read_text(encoding="utf-8")
DRAWINGS = sorted((ROOT / "docs/pictures/flash").glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"


def written(drawing: Path, kind: str = "") -> list[str]:
    """The lines of text in a drawing, those of one class only where one is named."""
    texts = ElementTree.parse(drawing).iter(f"{SVG}text")
    return ["".join(one.itertext()) for one in texts if kind in one.get("class", "").split() or not kind]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_every_picture_is_there_and_said_in_words(page: Path) -> None:
    for tag in re.findall(r"<img [^>]*>", page.read_text(encoding="utf-8")):
        source, words = re.search(r'src="([^"]+)"', tag), re.search(r'alt="([^"]+)"', tag)
        assert source and (page.parent / source[1]).is_file(), tag
        assert words, tag


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.stem)
def test_a_drawing_is_whole_small_and_shown(drawing: Path) -> None:
    root = ElementTree.parse(drawing).getroot()
    assert root.get("aria-label") and root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert not re.search(r"(href|url\(|@import)\W*(https?:|//|data:)", drawing.read_text(encoding="utf-8"))
    assert drawing.stat().st_size < 8192
    assert f"](../pictures/flash/{drawing.name})" in TEXT


def test_the_lines_in_notepad_are_those_of_the_file() -> None:
    lines = (ROOT / "firmware/boot/diemcau.toml").read_text(encoding="utf-8").splitlines()
    drawing = ROOT / "docs/pictures/flash/network-lines.svg"
    places = [lines.index(line) for line in written(drawing, "before")]
    assert places and places == sorted(places)
    corrected = boot_file.parse("\n".join(written(drawing, "after")).encode(), Path(boot_file.NAME))
    assert corrected.network is not None and corrected.network.ssid and corrected.network.password


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
def test_an_example_is_understood_by_the_box(example: str) -> None:
    assert boot_file.parse(example.encode(), Path(boot_file.NAME)).network is not None


def test_the_drives_and_files_are_those_of_the_image() -> None:
    drawn = " ".join(written(ROOT / "docs/pictures/flash/drive.svg"))
    for name in (*boot_text.files(boot_text.boot_file()), CONFIG.label.upper(), BOOT.label.upper()[:11]):
        assert name in drawn, name


def test_what_the_television_says_is_quoted_as_it_says_it() -> None:
    says = tomllib.loads((ROOT / "agent/diemcau_agent/screen/texts/vi.toml").read_text(encoding="utf-8"))
    why = says["enrolling_why"]
    for sentence in (says["starting"]["statement"], why["no_line"], why["not_found"]):
        first = re.split(r"\. ", sentence)[0]
        assert f"*{first}*" in TEXT, first
