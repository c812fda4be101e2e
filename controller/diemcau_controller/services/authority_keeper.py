"""Looks after the certificate authority: the controller's own certificate is renewed in time, programs on
this machine get the roots of now, what a person changed is in the list of changes, revoked SSH keys are on
their list, and health tells what a person should do."""

from __future__ import annotations

import asyncio
import logging

from ..actions.controller import Controller
from ..actions.end_unit import write_revoked_hosts
from ..actions.note_authority import note_authority
from ..adapters.authority import Authority, AuthorityError
from ..adapters.authority.roots import AuthorityNow, authority_now, state_of
from ..adapters.dynamic_security import CONTROLLER_CN
from ..adapters.whole_file import write_whole
from ..rules.authority_state import AuthorityState, Need

LOOK_S = 60.0

log = logging.getLogger(__name__)


class AuthorityKeeper:
    """Call :meth:`look` now and then."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._noted: AuthorityNow | None = None
        self._hosts_written = False

    async def look(self) -> None:
        """One look. What is wrong with the authority becomes a sentence of health; the next look goes on."""
        controller = self._controller
        try:
            now = await asyncio.to_thread(self._files)
            if not self._hosts_written:  # what ended a unit may have been cut short before it came to that
                await asyncio.to_thread(write_revoked_hosts, controller)
                self._hosts_written = True
        except (AuthorityError, OSError) as error:
            log.warning("the certificate authority is not well", extra={"error": str(error)})
            controller.authority = AuthorityState(Need.REPAIR, str(error))
            return
        controller.authority = state_of(now)
        if now != self._noted:
            await controller.write(lambda session: note_authority(session, now, controller.now()))
            self._noted = now

    def _files(self) -> AuthorityNow:
        state = self._controller.state
        authority = Authority(state.authority)
        authority.client_files(CONTROLLER_CN)  # the link reads them anew at its next connection
        roots = authority.ca_pem()
        if not state.ca_certificate.exists() or state.ca_certificate.read_bytes() != roots:
            write_whole(state.ca_certificate, roots)
        return authority_now(authority)
