"""The catalogues, and how the screen speaks of dates and of time left."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from string import Formatter

import pytest
from diemcau_agent.checks import FAULTS
from diemcau_agent.screen.show import Verdict
from diemcau_agent.screen.words import LANGUAGES, words

VI, EN = words("vi"), words("en")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_catalogues_have_the_same_keys_and_placeholders() -> None:
    assert VI.texts.keys() == EN.texts.keys()
    for key in VI.texts:
        assert placeholders(VI.texts[key]) == placeholders(EN.texts[key]), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_clean(language: str) -> None:
    for key, text in words(language).texts.items():
        assert text and text == text.strip() == unicodedata.normalize("NFC", text), key


def test_the_words_of_the_field() -> None:
    said = [VI(f"readiness.{verdict}") for verdict in Verdict]
    assert said[:3] == ["Sẵn sàng", "Sẵn sàng, cần lưu ý", "Chưa sẵn sàng"]
    assert VI("band.mic_open") == "Micrô đang MỞ — mọi người nghe thấy phòng này"


@pytest.mark.parametrize("finding", FAULTS)
def test_every_finding_of_the_check_has_an_instruction(finding: str) -> None:
    for catalogue in (VI, EN):
        assert catalogue.instruction(finding) == catalogue.texts[f"instruction.{finding}"]


def test_an_unknown_finding_says_whom_to_ask() -> None:
    assert VI.instruction("gremlins") == VI("instruction.other")


def test_dates_and_times_are_those_of_the_hall() -> None:
    late = datetime(2026, 3, 11, 17, 30, tzinfo=UTC)  # half past midnight in Vietnam
    assert VI.date(late) == "thứ Năm, 12/3/2026"
    assert EN.date(late) == "Thursday, 12/3/2026"
    assert VI.time(late) == "00:30"
    assert VI.date(datetime(2026, 3, 15, 1, tzinfo=UTC)) == "Chủ nhật, 15/3/2026"


@pytest.mark.parametrize(
    ("day", "said"),
    [(12, "08:00 hôm nay"), (13, "08:00 ngày mai"), (14, "08:00 thứ Bảy, 14/3/2026")],
)
def test_when_the_next_meeting_is(day: int, said: str) -> None:
    now = datetime(2026, 3, 11, 17, 30, tzinfo=UTC)
    assert VI.when(datetime(2026, 3, day, 1, tzinfo=UTC), now) == said


@pytest.mark.parametrize(
    ("left_s", "vi", "en"),
    [
        (720, "12 phút", "12 minutes"),
        (719.2, "12 phút", "12 minutes"),
        (60.5, "2 phút", "2 minutes"),
        (60, "60 giây", "60 seconds"),
        (1, "1 giây", "1 second"),
        (0.1, "1 giây", "1 second"),
        (0, "Đang kết nối…", "Connecting…"),
        (-5, "Đang kết nối…", "Connecting…"),
        (3540.5, "1 giờ 0 phút", "1 h 0 min"),
        (3901, "1 giờ 6 phút", "1 h 6 min"),
    ],
)
def test_countdown(left_s: float, vi: str, en: str) -> None:
    assert (VI.countdown(left_s)[1], EN.countdown(left_s)[1]) == (vi, en)
