"""Text into a box: shrunk, wrapped, and cut with an ellipsis only as the last resort. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .theme import LINE_HEIGHT

ELLIPSIS = "…"
Width = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Lines of text at one size; each is at most as wide as the box asked for."""

    size: int
    lines: tuple[str, ...]


def fit(
    text: str,
    measure: Callable[[str, int], float],
    *,
    width: float,
    height: float,
    largest: int,
    smallest: int,
) -> Fitted:
    """The largest size at which `text` goes into `width` × `height`; below `smallest` it is cut.

    `measure(text, size)` gives a line's width, in the unit of `width`. The lines are balanced: none is
    much shorter than the others. At least one line is always given, whatever the height.
    """
    for size in range(largest, smallest - 1, -2):
        allowed = max(1, int(height / (size * LINE_HEIGHT)))
        line_width = _of_size(measure, size)
        lines = wrap(text, line_width, width)
        if len(lines) <= allowed and all(line_width(line) <= width for line in lines):
            return Fitted(size, _balanced(text, line_width, width, lines))
    allowed = max(1, int(height / (smallest * LINE_HEIGHT)))
    line_width = _of_size(measure, smallest)
    lines = [part for line in wrap(text, line_width, width) for part in _broken(line, line_width, width)]
    if len(lines) > allowed:
        lines = [*lines[: allowed - 1], _cut(" ".join(lines[allowed - 1 :]), line_width, width)]
    return Fitted(smallest, tuple(lines))


def wrap(text: str, line_width: Width, width: float) -> list[str]:
    """Break at spaces; a single word wider than `width` stays on a line of its own."""
    lines: list[str] = []
    for word in text.split():
        if lines and line_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def _of_size(measure: Callable[[str, int], float], size: int) -> Width:
    return lambda text: measure(text, size)


def _balanced(text: str, line_width: Width, width: float, lines: list[str]) -> tuple[str, ...]:
    """The same number of lines, in the narrowest column that still gives it."""
    if len(lines) == 1:
        return tuple(lines)
    narrow, wide = width / 2, width
    best = lines
    for _ in range(6):
        middle = (narrow + wide) / 2
        tried = wrap(text, line_width, middle)
        if len(tried) <= len(lines) and all(line_width(line) <= width for line in tried):
            wide, best = middle, tried
        else:
            narrow = middle
    return tuple(best)


def _broken(word: str, line_width: Width, width: float) -> list[str]:
    """A line broken between letters where it is too wide."""
    lines = [""]
    for letter in word:
        if lines[-1] and line_width(lines[-1] + letter) > width:
            lines.append("")
        lines[-1] += letter
    return lines


def _cut(text: str, line_width: Width, width: float) -> str:
    """The beginning of `text` that fits together with an ellipsis, to the end of a word if that is near."""
    if line_width(text) <= width:
        return text
    while text and line_width(text.rstrip() + ELLIPSIS) > width:
        text = text[:-1]
    words, _, rest = text.rpartition(" ")
    return (words if words and len(rest) < 10 else text).rstrip(" ,;:-–") + ELLIPSIS
