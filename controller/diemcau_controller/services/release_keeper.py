"""Looks after the releases: what says that they are the newest is signed anew every day, what enough people
have signed is served, and health tells what a person should do."""

from __future__ import annotations

import asyncio
import logging

from ..actions.controller import Controller
from ..adapters.releases.errors import ReleaseError
from ..adapters.releases.repository import Repository
from ..rules.releases import Need, ReleasesState

LOOK_S = 60.0

log = logging.getLogger(__name__)


class ReleaseKeeper:
    """Call :meth:`look` now and then."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._repository = Repository(controller.state)

    async def look(self) -> None:
        """One look. What is wrong becomes a sentence of health; the next look goes on."""
        controller = self._controller
        try:
            state = await asyncio.to_thread(self._repository.freshen, controller.now())
        except ReleaseError as error:
            state = ReleasesState(Need.REPAIR, str(error))
        if state != controller.releases and state.need not in (Need.NOTHING, Need.NOT_SET_UP):
            log.warning("the releases want somebody", extra={"error": state.sentence()})
        controller.releases = state
