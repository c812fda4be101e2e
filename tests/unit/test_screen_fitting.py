"""Texts go into their boxes: shrunk, wrapped, and only then cut."""

from __future__ import annotations

import pytest
from diemcau_agent.screen.fitting import ELLIPSIS, Fitted, fit

NAME = "Nhà văn hóa cộng đồng thôn Đồng Tâm, xã Nguyễn Nghiêm, tỉnh Quảng Ngãi (số 2)"


def half_em(text: str, size: int) -> float:
    """A face in which every letter is half as wide as it is high."""
    return len(text) * size / 2


def into(text: str, width: float, height: float, smallest: int = 20) -> Fitted:
    return fit(text, half_em, width=width, height=height, largest=40, smallest=smallest)


def test_what_fits_stays_as_large_as_asked() -> None:
    assert into("Xã Ea M'Droh", 400, 60) == Fitted(40, ("Xã Ea M'Droh",))


def test_shrinks_before_it_wraps_in_a_box_for_one_line() -> None:
    fitted = into("Xã Ea M'Droh", 200, 60)
    assert fitted.lines == ("Xã Ea M'Droh",) and 20 <= fitted.size < 40


def test_lines_are_balanced() -> None:
    first, second = into(NAME, 1000, 120).lines
    assert abs(len(first) - len(second)) < 15


@pytest.mark.parametrize("text", [NAME, "x" * 80, "", " ", "Đ", NAME.replace(" ", "\u00a0")])
@pytest.mark.parametrize("width", [60, 150, 333, 900])
@pytest.mark.parametrize("height", [10, 30, 60, 200])
def test_never_wider_nor_higher_than_the_box(text: str, width: float, height: float) -> None:
    fitted = into(text, width, height)
    assert all(half_em(line, fitted.size) <= width for line in fitted.lines)
    assert len(fitted.lines) == 1 or len(fitted.lines) * fitted.size * 1.4 <= height


def test_what_is_cut_says_so_at_the_end_of_a_word() -> None:
    (line,) = into(NAME, 300, 30).lines
    assert line.endswith(ELLIPSIS)
    assert NAME.startswith(line.removesuffix(ELLIPSIS))
    assert NAME[len(line) - 1] in " ,"


def test_nothing_is_lost_when_nothing_is_cut() -> None:
    assert " ".join(into(NAME, 400, 200).lines) == NAME
