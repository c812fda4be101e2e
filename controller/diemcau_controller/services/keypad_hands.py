"""Watches for hands raised on keypads: as soon as events come, and now and then in case a hint was lost."""

from __future__ import annotations

import asyncio

from ..actions.controller import Controller
from ..actions.news import Item
from ..actions.take_hands import hands_after, hands_from, take_hands

_LOOK_S = 10.0


class KeypadHands:
    """Remembers how far events were read."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._read_to: int | None = None

    async def run(self) -> None:
        """Take hands until cancelled."""
        with self._controller.news.listen() as news:
            while True:
                await self.look()
                await _until_a_hand(news)

    async def look(self) -> None:
        """Take what came since the last look."""
        with self._controller.database.read() as session:
            if self._read_to is None:
                self._read_to = hands_from(session, self._controller.now())
            rows = hands_after(session, self._read_to)
        if rows:
            self._read_to = rows[-1].number
            await take_hands(self._controller, rows)


async def _until_a_hand(news: asyncio.Queue[Item]) -> None:
    try:
        async with asyncio.timeout(_LOOK_S):
            while True:
                item = await news.get()
                if item.kind == "event" and str(item.data.get("kind", "")).startswith("hand_"):
                    return
    except TimeoutError:
        return
