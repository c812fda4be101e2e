"""/live: server-sent events that tell an open page which of its parts to fetch again.

An event's name is a topic, its data says nothing: what is true is read by whoever hears it. Topics:

    board  schedule  incidents  enrolments  rollouts
    site:<site>  meeting:<occurrence>  hall:<occurrence>:<site>

A topic is said at once, then at most once a second, and at the latest after a minute, so that relative times
stay true; `alive` is said every 15 s. What changed in the 10 s before somebody listens is said, too: the page
was drawn before it. Who holds the link of a chair or of a hall gives it as `link` and hears
its topic without a log-in.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse

from ..actions.controller import Controller
from ..actions.meeting_links import is_chairs, is_halls
from ..actions.news import Item, News
from ..api.access import Core, identify
from ..store.tables import Occurrence

router = APIRouter(include_in_schema=False)

# Which news change what which kind of page shows.
_TOUCHED_BY = {
    "board": {
        "site",
        "unit",
        "session",
        "schedule",
        "floor",
        "event",
        "incident",
        "devices",
        "enrolment",
        "clone",
    },
    "schedule": {"schedule", "site"},
    "incidents": {"incident", "site"},
    "enrolments": {"enrolment", "clone", "site"},
    "rollouts": {"rollout", "unit", "schedule"},
    "site": {"site", "unit", "session", "event", "devices", "enrolment", "clone"},
    "meeting": {
        "session",
        "schedule",
        "floor",
        "event",
        "hand",
        "attendees",
        "report",
        "incident",
        "site",
        "unit",
    },
    "hall": {"session", "schedule", "floor", "event", "hand", "attendees", "unit", "incident"},
}
_PARTS = {
    "board": 1,
    "schedule": 1,
    "incidents": 1,
    "enrolments": 1,
    "rollouts": 1,
    "site": 2,
    "meeting": 2,
    "hall": 3,
}

_AT_MOST_EVERY_S = 1.0
_AT_LEAST_EVERY_S = 60.0
_SIGN_OF_LIFE_S = 15.0
_MOST_TOPICS = 20
_ON_ITS_WAY_S = 10.0  # what changes between the drawing of a page and its listening, on a slow line


@dataclass(frozen=True, slots=True)
class Topic:
    """What a part of a page is about."""

    text: str
    kind: str
    meeting: str | None = None
    site: str | None = None

    @classmethod
    def parse(cls, text: str) -> Topic:
        """Raises ValueError for what is no topic."""
        kind, *about = text.split(":")
        if _PARTS.get(kind) != 1 + len(about) or not all(about) or len(text) > 300 or not text.isprintable():
            raise ValueError(f"there is no topic {text[:40]!r}")
        if kind == "site":
            return cls(text, kind, site=about[0])
        return cls(text, kind, *about)

    def touched_by(self, item: Item) -> bool:
        """Does this change what the page shows? News that name no meeting or site are about all of them."""
        if item.kind not in _TOUCHED_BY[self.kind]:
            return False
        meeting, site = item.data.get("meeting"), item.data.get("site")
        if self.site and site and self.site != site:
            return False
        if self.meeting and meeting:
            # News of a meeting are about all of its occurrences, which are named after it and their time.
            return meeting in (self.meeting, self.meeting.rpartition("-")[0])
        return True


@router.get("/live")
async def live(
    request: Request,
    core: Core,
    topic: Annotated[list[str], Query(min_length=1, max_length=_MOST_TOPICS)],
    link: Annotated[str | None, Query(max_length=100)] = None,
) -> StreamingResponse:
    """The events of these topics, until whoever asks is logged out or the link ends."""
    try:
        topics = [Topic.parse(text) for text in dict.fromkeys(topic)]
    except ValueError as error:
        raise HTTPException(422, str(error)) from None

    def welcome() -> bool:
        if link is not None:
            return all(_opened_by(core, link, one) for one in topics)
        return identify(request) is not None

    if not await asyncio.to_thread(welcome):
        raise HTTPException(401, "the log-in or the link has ended")
    return StreamingResponse(
        _hints(core.news, topics, welcome),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _opened_by(core: Controller, link: str, topic: Topic) -> bool:
    """Is the topic that of the link?"""
    if topic.meeting is None:
        return False
    with core.database.read() as session:
        occurrence = session.get(Occurrence, topic.meeting)
        if occurrence is None:
            return False
        if topic.kind == "hall":
            return is_halls(session, occurrence, topic.site or "", link)
        return is_chairs(occurrence, link)


async def _hints(news: News, topics: Iterable[Topic], welcome: Callable[[], bool]) -> AsyncIterator[str]:
    clock = asyncio.get_running_loop().time
    due = {topic: clock() + _AT_LEAST_EVERY_S for topic in topics}
    earliest = dict.fromkeys(due, 0.0)
    look = clock() + _SIGN_OF_LIFE_S
    with news.listen(since_s=_ON_ITS_WAY_S) as queue:
        # Pages that lost us together do not all come back in the same instant.
        yield f"retry: {random.randint(1000, 3000)}\n\n"
        while True:
            now = clock()
            for topic in [one for one, at in due.items() if at <= now]:
                due[topic], earliest[topic] = now + _AT_LEAST_EVERY_S, now + _AT_MOST_EVERY_S
                yield f"event: {topic.text}\ndata: -\n\n"
            if now >= look:
                if not await asyncio.to_thread(welcome):
                    return
                look = now + _SIGN_OF_LIFE_S
                yield "event: alive\ndata: -\n\n"  # so that the page notices when it hears nothing any more
            try:
                async with asyncio.timeout(max(0.0, min(look, *due.values()) - now)):
                    item = await queue.get()
            except TimeoutError:
                continue
            for topic in due:
                if topic.touched_by(item):
                    due[topic] = min(due[topic], max(now, earliest[topic]))
