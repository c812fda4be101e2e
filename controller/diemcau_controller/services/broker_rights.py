"""The broker's list of who has rights follows the database: units that serve a site, and nobody else.

Whoever is struck off it loses his connection at once. Compared whole at each connect, after each change, and
now and then: what the broker forgot or missed is made good.
"""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy import select

from ..actions.controller import Controller
from ..actions.cut_off import note_cuts, open_cuts
from ..actions.news import Item
from ..adapters.dynamic_security import AnswerRefused, Known, changes, questions, read_answer
from ..adapters.mqtt import MqttLink
from ..store.tables import Unit

_LOOK_S = 5.0
_WHOLE_S = 300.0
_ANSWER_S = 15.0

log = logging.getLogger(__name__)


class BrokerRights:
    """Keeps the list, over `link`, whose `on_answer` is :meth:`heard`."""

    def __init__(self, controller: Controller, loop: asyncio.AbstractEventLoop) -> None:
        self._controller, self._loop = controller, loop
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.link: MqttLink | None = None

    def heard(self, payload: bytes) -> None:
        """What the broker says; in the link's network thread."""
        self._loop.call_soon_threadsafe(self._answers.put_nowait, payload)

    async def run(self) -> None:
        """Keep it right, until cancelled. Raises TimeoutError when the broker does not answer."""
        told: frozenset[str] | None = None  # None: ask the broker what it knows
        asked_at = 0.0
        with self._controller.news.listen() as news:
            while True:
                if self.link is None or not self.link.connected:
                    told = None
                elif self._loop.time() - asked_at > _WHOLE_S or told != self._bound():
                    asked_at = self._loop.time()
                    told = await self._reconcile(self.link)
                if await _next_reason(news):
                    told = None

    async def _reconcile(self, link: MqttLink) -> frozenset[str]:
        """Make the broker's list what it should be; gives the units on it."""
        while not self._answers.empty():
            self._answers.get_nowait()
        link.control(questions())
        known = await self._known()
        wanted = self._bound()
        waiting = 0
        for message in changes(known, wanted):
            link.control(message)
            waiting += 1
        for _ in range(waiting):
            await self._heard()
        for unit in sorted(known.clients - wanted):
            log.warning("cut off at the broker", extra={"unit": unit})
            link.forget(unit)
        with self._controller.database.read() as session:
            cut = [unit for unit in open_cuts(session) if unit not in wanted]
        if cut:
            await note_cuts(self._controller, cut)
        return wanted

    async def _known(self) -> Known:
        while True:
            known = await self._heard()
            if known is not None:
                return known

    async def _heard(self) -> Known | None:
        async with asyncio.timeout(_ANSWER_S):
            payload = await self._answers.get()
        try:
            known, errors = read_answer(payload)
        except AnswerRefused as error:
            log.warning("the broker's answer is not understood", extra={"error": str(error)})
            return None
        for refused in errors:
            log.error("the broker refuses a change of rights", extra={"error": refused})
        return known

    def _bound(self) -> frozenset[str]:
        with self._controller.database.read() as session:
            return frozenset(session.scalars(select(Unit.id).where(Unit.site_id.is_not(None))))


async def _next_reason(news: asyncio.Queue[Item]) -> bool:
    """Wait for a reason to look; True when it is that the broker was connected anew."""
    try:
        async with asyncio.timeout(_LOOK_S):
            while (kind := (await news.get()).kind) not in ("broker", "site", "cut"):
                pass
            return kind == "broker"
    except TimeoutError:
        return False
