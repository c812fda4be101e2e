"""Looks after the releases: what says that they are the newest is signed anew every day, what enough people
have signed is served, and health tells what a person should do. Whose log-ins units accept lies beside the
first root of trust: whoever provisions a unit takes both from one folder."""

from __future__ import annotations

import asyncio
import logging

from ..actions.controller import Controller
from ..adapters.authority import Authority
from ..adapters.releases.errors import ReleaseError
from ..adapters.releases.repository import Repository
from ..adapters.whole_file import write_whole
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
            if state.need is not Need.NOT_SET_UP:
                await asyncio.to_thread(self._name_authority)
        except (ReleaseError, OSError) as error:
            state = ReleasesState(Need.REPAIR, str(error))
        if state != controller.releases and state.need not in (Need.NOTHING, Need.NOT_SET_UP):
            log.warning("the releases want somebody", extra={"error": state.sentence()})
        controller.releases = state

    def _name_authority(self) -> None:
        """For provision.yml, which writes it where nothing on a unit but root may. Raises OSError."""
        path = self._repository.folder / "ssh_authority"
        line = Authority(self._controller.state.authority).ssh.user_ca().encode() + b"\n"
        if not path.exists() or path.read_bytes() != line:
            write_whole(path, line)
