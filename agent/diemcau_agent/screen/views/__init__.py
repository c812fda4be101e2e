"""What each view looks like. Pure: from what the unit wants shown and the time to a scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ..elements import Scene
from ..page import Measure, Page
from ..show import Show, View
from ..words import Words, words
from . import checking, countdown, edges, enrolling, fault, held, idle, meeting, notices, replaced

_DRAW: dict[View, Callable[[Page, Words, Show, datetime], None]] = {
    View.IDLE: idle.draw,
    View.COUNTDOWN: countdown.draw,
    View.HELD: held.draw,
    View.RECONNECTING: notices.draw_reconnecting,
    View.GOODBYE: notices.draw_goodbye,
    View.ENROLLING: enrolling.draw,
    View.REPLACED: replaced.draw,
}


def compose(
    show: Show | None, now: datetime, live: Sequence[bool], *, width: int, height: int, measure: Measure
) -> Scene:
    """The scene for `show` at `now`, on a screen of `width` × `height` pixels.

    `show` is None until the unit has spoken for the first time. `live[i]` says that slot i has a
    picture of now; a slot that has none gets a card saying so.
    """
    page = Page(width, height, measure)
    language = words(show.language if show else "vi")
    edges.draw_top(page, language, show, now)
    if show is None:
        notices.draw_starting(page, language)
    elif show.view is View.MEETING and show.meeting is not None:
        meeting.draw(page, language, show, show.meeting, live)
    elif (seconds := checking.notice_s(show, now)) is not None:
        checking.draw_notice(page, language, show, seconds)
    elif checking.is_shown(show):
        checking.draw(page, language, show, now)
    elif show.faulty:
        fault.draw(page, language, show, now)
    else:
        _DRAW[show.view](page, language, show, now)
    if show is not None:
        edges.draw_bottom(page, language, show)
    return page.scene
