"""Reach a unit by SSH, for work on it. It listens on nothing: it is asked to dial in, and its sshd then
answers at a port of its own on this machine's loopback address. Where the office says of a site that its
network lets us in, the unit's own address comes first: it is asked to dial when it does not answer there.

Whoever works brings a key that is used once; what he gets for it is good at this unit only, and not for long.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from diemcau_wire.messages import REACH_AT_MOST_S, Verb
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..adapters.authority import Authority
from ..adapters.ssh_answer import why_not
from ..rules.actor import SYSTEM, Actor
from ..rules.refusals import Conflict, Invalid
from ..rules.ssh_address import read_ssh_address
from ..rules.tunnel import free_port
from ..store.tables import TunnelPort, Unit
from .audit import record
from .controller import Controller
from .scope import unit_for
from .send_command import send_command

log = logging.getLogger(__name__)

ACCOUNT = "diemcau-maintenance"
"""Who logs in on a unit."""
AT_MOST_MINUTES = REACH_AT_MOST_S // 60
_DIALS_WITHIN_S = 60.0
_LOOK_S = 0.3
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Reached:
    """Where the unit's sshd answers, until `until`, and what to show it. `known_hosts` is the line that
    vouches for it under the name `unit`; `revoked_hosts` the file of those that count no more. `asked` is
    False for a unit that could not be asked but had dialled in: its own program is broken, perhaps. `direct`:
    this is its own address, and nothing was asked of it."""

    unit: str
    host: str
    port: int
    user: str
    certificate: str
    known_hosts: str
    revoked_hosts: str
    until: datetime
    asked: bool
    direct: bool = False


async def reach(
    controller: Controller, who: Actor, unit_id: str, public_key: str, minutes: int = 15
) -> Reached:
    """Go to the unit's address, or have it dial in, wait until its sshd answers, and certify `public_key` (a
    line as OpenSSH writes it) for it. What a person does is written into the list of changes.

    Raises :class:`Conflict` when it is away, will not, or does not dial; :class:`Invalid` for no such time or
    key; NotFound for a unit that is not in the scope of `who`.
    """
    if not 1 <= minutes <= AT_MOST_MINUTES:
        raise Invalid(f"a unit is reached for 1 to {AT_MOST_MINUTES} minutes: ask again when they are over")
    now = controller.now()
    authority = Authority(controller.state.authority, controller.now)
    try:
        certificate = authority.ssh.sign_user(public_key, [unit_id], timedelta(minutes=minutes))
    except ValueError as error:
        raise Invalid(f"public_key: {error}") from None

    def note(session: Session) -> tuple[int, str | None]:
        unit = unit_for(session, who, unit_id)
        if unit.site_id is None:
            raise Conflict(f"unit {unit_id} serves no site, so it may not dial in")
        if unit.ssh_host_key is None:
            raise Conflict(
                f"unit {unit_id} has no SSH host key: it was not admitted by its digits or a paper"
            )
        if who is not SYSTEM:  # a rollout says itself what it does
            record(session, who, now, "unit.reach", f"unit:{unit_id}", after={"minutes": minutes})
        port = port_of(session, unit)
        if port is None:
            raise Conflict("there is no port left for another unit: revoke units that are gone")
        return port, unit.site.ssh_address if unit.site is not None else None

    port, address = await controller.write(note)
    reached = Reached(
        unit=unit_id,
        host=_HOST,
        port=port,
        user=ACCOUNT,
        certificate=certificate,
        known_hosts=authority.ssh.known_hosts(unit_id),
        revoked_hosts=str(authority.ssh.revoked_hosts),
        until=now + timedelta(minutes=minutes),
        asked=True,
    )
    refused = ""
    if address is not None:
        host, own = read_ssh_address(address)
        direct = replace(reached, host=host, port=own, asked=False, direct=True)
        refused = await why_not(direct)
        if not refused:
            log.info("unit reached directly", extra={"unit": unit_id, "who": who.name})
            return direct
        log.warning("not reached directly", extra={"unit": unit_id, "address": address, "why": refused})
    try:
        asked = await _ask(controller, unit_id, minutes, dialled=await _answers(port))
        await _until_it_answers(unit_id, port)
    except Conflict as error:
        if not refused:
            raise
        raise Conflict(f"{error}; nor does it answer at {address}: {refused}") from None
    log.info("unit reached", extra={"unit": unit_id, "who": who.name, "asked": asked})
    return replace(reached, asked=asked)


def port_of(session: Session, unit: Unit) -> int | None:
    """The unit's own port, given to it now if it has none; in the writer. None when all are given away."""
    given = session.get(TunnelPort, unit.id)
    if given is not None:
        return given.port
    gone = select(Unit.id).where(Unit.ended.is_not(None))
    session.execute(delete(TunnelPort).where(TunnelPort.unit_id.in_(gone)))
    port = free_port(set(session.scalars(select(TunnelPort.port))))
    if port is not None:
        session.add(TunnelPort(unit_id=unit.id, port=port))
        session.flush()
    return port


async def _ask(controller: Controller, unit_id: str, minutes: int, *, dialled: bool) -> bool:
    """Have it dial, or keep its line for longer. False for one that cannot be asked, and has dialled."""
    try:
        ack = await send_command(controller, SYSTEM, unit_id, Verb.REACH, {"for_s": minutes * 60})
    except Conflict:
        if dialled:
            return False
        raise
    if not ack.ok:
        raise Conflict(f"unit {unit_id} does not dial in: {ack.text}")
    return True


async def _until_it_answers(unit_id: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + _DIALS_WITHIN_S
    while loop.time() < end:
        if await _answers(port):
            return
        await asyncio.sleep(_LOOK_S)
    raise Conflict(
        f"unit {unit_id} said it would dial in and did not within {_DIALS_WITHIN_S:g} s: its network lets it "
        "reach the broker but not tunnel.port; allow that port, or work on it directly"
    )


async def _answers(port: int) -> bool:
    """True when an sshd greets there."""
    with suppress(OSError):
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(_HOST, port)
            try:
                return (await reader.read(8)).startswith(b"SSH-2.0-")
            finally:
                writer.close()
    return False
