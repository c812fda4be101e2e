"""What /live says when: topics, which news touch them, how often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from diemcau_controller.actions.news import Item, News
from diemcau_controller.web.live import Topic, _hints

BOARD, MEETING, HALL = (
    Topic.parse(text)
    for text in ("board", "meeting:giao-ban-20260302T013000", "hall:giao-ban-20260302T013000:ea-kiet")
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "boards",
        "board:x",
        "meeting",
        "meeting:",
        "hall:x",
        "hall:x:",
        "hall::y",
        "meeting:a:b",
        "meeting:" + "x" * 300,
        "meeting:a\nevent: board",
    ],
)
def test_what_is_no_topic_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no topic"):
        Topic.parse(text)


@pytest.mark.parametrize(
    ("kind", "data", "touched"),
    [
        ("unit", {"site": "ea-kiet", "unit": "u"}, {BOARD, MEETING, HALL}),
        ("unit", {"site": "ea-tar", "unit": "u"}, {BOARD, MEETING}),
        ("site", {}, {BOARD, MEETING}),
        ("floor", {"meeting": "giao-ban-20260302T013000"}, {BOARD, MEETING, HALL}),
        ("floor", {"meeting": "giao-ban-20260309T013000"}, {BOARD}),
        ("schedule", {"meeting": "giao-ban"}, {BOARD, MEETING, HALL}),
        ("schedule", {"meeting": "giao"}, {BOARD}),
        ("hand", {"meeting": "giao-ban-20260302T013000", "site": "ea-tar"}, {MEETING}),
        ("unheard-of", {}, set()),
    ],
)
def test_news_touch_what_they_are_about(kind: str, data: dict[str, Any], touched: set[Topic]) -> None:
    item = Item(kind, data)
    assert {topic for topic in (BOARD, MEETING, HALL) if topic.touched_by(item)} == touched


def test_a_topic_is_said_at_once_and_then_at_most_once_a_second() -> None:
    async def listen() -> list[float]:
        loop, news = asyncio.get_running_loop(), News()
        news.attach(loop)
        hints = _hints(news, [BOARD, MEETING], lambda: True)
        assert (await anext(hints)).startswith("retry:")
        began = loop.time()
        said = []

        async def take() -> None:
            async for text in hints:
                assert text == "event: board\ndata: -\n\n"
                said.append(loop.time() - began)

        taking = asyncio.create_task(take())
        for _ in range(12):
            news.tell("floor", meeting="giao-ban-20260309T013000")
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.2)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        return said

    first, *more = asyncio.run(listen())
    assert first < 0.5
    assert len(more) == 2  # during the twelve, and once for the last of them
    assert all(later - sooner >= 1 for sooner, later in zip([first, *more], more, strict=False))


def test_the_stream_ends_with_the_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diemcau_controller.web.live._SIGN_OF_LIFE_S", 0.05)
    welcome = iter([True, False])

    async def listen() -> list[str]:
        news = News()
        news.attach(asyncio.get_running_loop())
        return [text async for text in _hints(news, [BOARD], lambda: next(welcome))]

    retry, alive = asyncio.run(asyncio.wait_for(listen(), 5))
    assert retry.startswith("retry:") and alive.startswith("event: alive")
