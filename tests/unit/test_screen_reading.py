"""What a hall shall do can be read from the last row: size and contrast, measured from the pictures."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from diemcau_agent.screen.canvas import Canvas
from diemcau_agent.screen.elements import Box, Rect, Scene, Text
from diemcau_agent.screen.fitting import ELLIPSIS
from diemcau_agent.screen.gallery import COMMON, NOW, VIEWS, gradient
from diemcau_agent.screen.page import Page
from diemcau_agent.screen.show import parse_show
from diemcau_agent.screen.theme import BLACK, WHITE, Colour
from diemcau_agent.screen.views import compose
from diemcau_agent.screen.words import LANGUAGES, words
from numpy.typing import NDArray

SIZES = [(1280, 720), (1920, 1080)]
Pixels = NDArray[np.uint32]


@pytest.fixture(scope="module", params=SIZES, ids=str)
def canvas(request: pytest.FixtureRequest) -> Iterator[Canvas]:
    made = Canvas(*request.param)
    made.take(0, gradient(640, 360, 150, 110))
    made.take(1, gradient(640, 360, 110, 150))
    yield made
    made.close()


def composed(canvas: Canvas, view: dict[str, Any]) -> tuple[Scene, list[Text]]:
    """The scene, and what in it is an instruction."""
    begun: list[tuple[int, int]] = []
    instruct = Page.instruct

    def watched(page: Page, *where: Any, **how: Any) -> float:
        first = len(page.scene)
        end = instruct(page, *where, **how)
        begun.append((first, len(page.scene)))
        return end

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Page, "instruct", watched)
        size = {"width": canvas.width, "height": canvas.height}
        scene = compose(parse_show({**COMMON, **view}), NOW, (True, True), measure=canvas.measure, **size)
    instructions = [scene[at] for first, end in begun for at in range(first, end)]
    return scene, [one for one in instructions if isinstance(one, Text)]


def pixels(canvas: Canvas) -> Pixels:
    """The canvas as it is now: rows of 0xRRGGBB, the canvas's own memory."""
    surface = canvas.surface.contents
    memory = ctypes.cast(surface.pixels, ctypes.POINTER(ctypes.c_uint8 * (surface.pitch * surface.h)))
    rows = np.frombuffer(memory.contents, dtype="<u4").reshape(surface.h, surface.pitch // 4)
    return rows[:, : surface.w]


def crop(picture: Pixels, canvas: Canvas, text: Text) -> Pixels:
    width = canvas.measure(text.text, text.face, text.size)
    return picture[text.y : text.y + round(1.36 * text.size), text.x : text.x + width] & 0xFFFFFF


def luminance(colour: Any) -> float:
    """Relative luminance (WCAG 2.1)."""
    parts = np.asarray(colour, dtype=float) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: Any, other: Any) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def commonest(part: Pixels) -> Colour:
    colours, counts = np.unique(part, return_counts=True)
    colour = int(colours[counts.argmax()])
    return colour >> 16, colour >> 8 & 0xFF, colour & 0xFF


def capital(canvas: Canvas, text: Text) -> float:
    """Height of a capital letter of this text, as painted, in parts of the picture's height."""
    ground = Box(Rect(0, 0, canvas.width, canvas.height), BLACK)
    canvas.paint((ground, Text(50, 50, "H", text.face, text.size, WHITE)))
    lit = (pixels(canvas) & 0xFF).max(axis=1) > 127
    return float(lit.sum()) / canvas.height


def test_instructions_are_large_and_every_text_stands_out(canvas: Canvas) -> None:
    heights: dict[int, float] = {}
    seen = 0
    for name, view in VIEWS.items():
        scene, instructions = composed(canvas, view)
        canvas.paint(scene)
        picture = pixels(canvas)
        for text in scene:
            if not isinstance(text, Text) or not text.text.strip():
                continue
            part = crop(picture, canvas, text)
            r, g, b = text.colour
            assert (part == (r << 16 | g << 8 | b)).any(), (name, text)
            enough = 7 if text in instructions else 4.5
            assert contrast(text.colour, commonest(part)) >= enough, (name, text)
        for text in instructions:
            if text.size not in heights:
                heights[text.size] = capital(canvas, text)
            assert heights[text.size] >= 0.04, (name, text)
        seen += bool(instructions)
    assert seen >= 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_instruction_there_is_fits_whole(canvas: Canvas, language: str) -> None:
    """Largest room in the fault, least in the card under the next meeting."""
    keys = [
        key.removeprefix("instruction.") for key in words(language).texts if key.startswith("instruction.")
    ]
    assert len(keys) > 8
    for key in keys:
        for verdict in ("not_ready", "remark"):
            view = {"language": language, "readiness": {"verdict": verdict, "instruction": key}}
            _, instructions = composed(canvas, view)
            said = " ".join(text.text for text in instructions)
            assert said == words(language).instruction(key) and ELLIPSIS not in said, (key, verdict)


def test_the_words_are_the_same_in_both_languages() -> None:
    vi, en = (words(language).texts for language in LANGUAGES)
    assert vi.keys() == en.keys()
