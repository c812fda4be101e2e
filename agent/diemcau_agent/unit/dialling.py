"""Have the tunnel service dial the coordinator: the unit process only writes down that it shall, and until
when. It holds no SSH."""

from __future__ import annotations

import time

from diemcau_wire.messages import REACH_AT_MOST_S

from diemcau_agent.rules.dialling import wish

from .state_folder import StateFolder, write_atomically


class CannotDial(Exception):
    """It will not; the text is a word of `commands.TEXTS`."""


def ask_to_dial(folder: StateFolder, for_s: object) -> None:
    """Raises :class:`CannotDial`."""
    if isinstance(for_s, bool) or not isinstance(for_s, int | float) or not 0 < for_s <= REACH_AT_MOST_S:
        raise CannotDial("wrong_time")
    asked = folder.dialling
    if asked is None or not folder.reach.is_file():
        raise CannotDial("no_tunnel")
    try:
        before = asked.read_bytes() if asked.exists() else b""
        write_atomically(asked, wish(before, for_s, time.clock_gettime(time.CLOCK_BOOTTIME)), mode=0o640)
    except OSError:
        raise CannotDial("no_tunnel") from None
