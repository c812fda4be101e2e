"""Ask the unit of a site for something in its room: a tone, a picture, a check, a look at its devices."""

from __future__ import annotations

import asyncio
from typing import Any

from diemcau_wire.messages import Verb

from ..rules.actor import Actor
from ..rules.refusals import Conflict, NotFound
from .controller import Controller
from .send_command import send_command

# What can be asked, and how long an answer may take: a picture in an occupied hall is announced 5 s ahead,
# and a device that hangs is given up after 40 s.
PATIENCE_S = {
    Verb.PREFLIGHT: 15.0,
    Verb.POSTPONE_CHECK: 15.0,
    Verb.TONE: 45.0,
    Verb.ROOM_PICTURE: 45.0,
    Verb.FIND_DEVICES: 20.0,
}
_DEVICE = {Verb.TONE: "output", Verb.ROOM_PICTURE: "camera"}


async def ask_room(controller: Controller, who: Actor, site_id: str, verb: Verb, device: str = "") -> None:
    """Ask, and wait for the unit's word. `device` is a sound output or a camera; "": the configured one.

    Raises :class:`Conflict` when the unit is away, silent, or says no.
    """
    site = (await asyncio.to_thread(controller.fleet.now)).by_id.get(site_id)
    if site is None or site.removed or not who.sees(site_id):
        raise NotFound(f"there is no site {site_id[:80]}", code="sites.unknown", site=site_id[:80])
    if site.unit is None:
        raise NotFound("there is no such site, or it has no unit", code="board.no_unit")
    if verb is Verb.ROOM_PICTURE and not site.row.room_pictures:
        raise Conflict(
            "the site does not allow pictures of its room: set room_pictures first",
            code="devices.no_room_pictures",
        )
    args: dict[str, Any] = {_DEVICE[verb]: device} if device and verb in _DEVICE else {}
    ack = await send_command(controller, who, site.unit.id, verb, args, PATIENCE_S[verb])
    if not ack.ok:
        raise Conflict(
            f"the unit says: {ack.text or ack.error}",
            code=f"devices.{ack.error or 'refused'}",
            site=site.name,
            text=ack.text,
        )
