"""Ask a unit to do something at once, and wait for its answer."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from diemcau_wire import Refused, decode_as, encode
from diemcau_wire.messages import Ack, Command, Verb
from diemcau_wire.topics import Channel
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ..rules.actor import SYSTEM, Actor
from ..rules.refusals import Conflict, Invalid
from ..store.writer import WriterBusy
from .audit import record
from .controller import Controller
from .scope import unit_for

log = logging.getLogger(__name__)


class NoAnswer(Conflict):
    """The unit was there, but did not answer in time."""


async def send_command(
    controller: Controller,
    who: Actor,
    unit_id: str,
    verb: Verb,
    args: dict[str, Any],
    timeout_s: float = 15,
) -> Ack:
    """Send a command on the unit's present connection and give its answer.

    Raises :class:`Conflict` when the unit is not connected, :class:`NoAnswer` after `timeout_s`.
    """
    with controller.database.read() as session:
        unit = unit_for(session, who, unit_id)
        if unit.status not in ("online", "silent") or unit.nonce is None:
            raise Conflict(
                f"unit {unit_id} is not connected: look at its power and its line", code="units.away"
            )
        command = Command(
            unit=unit_id,
            id="c" + secrets.token_hex(8),
            verb=verb,
            epoch=unit.epoch,
            nonce=unit.nonce,
            args=args,
            at=controller.now(),
        )
    try:  # what the unit would refuse at its border is refused here, where somebody is told
        decode_as(Channel.CMD, encode(command), unit=unit_id)
    except Refused as error:
        raise Invalid(f"the command cannot be sent ({error}): give it smaller or simpler arguments") from None
    if who is not SYSTEM:  # what the controller asks by itself, every hour, would drown the rest
        await _note(controller, who, command)
    answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
    controller.acks[command.id] = answer
    try:
        controller.post.publish(command, Channel.CMD)
        async with asyncio.timeout(timeout_s):
            return await answer
    except TimeoutError:
        raise NoAnswer(
            f"unit {unit_id} did not answer {verb} within {timeout_s:g} s: try again", code="units.silent"
        ) from None
    finally:
        del controller.acks[command.id]


async def _note(controller: Controller, who: Actor, command: Command) -> None:
    """Write it into the list of changes; a full disk does not keep it from the hall, then the log has it."""

    def note(session: Session) -> None:
        after = {"verb": command.verb.value, "args": command.args}
        record(session, who, command.at, "unit.command", f"unit:{command.unit}", after=after)

    try:
        await controller.write(note)
    except (OperationalError, WriterBusy) as error:
        log.error(
            "a command is not in the list of changes",
            extra={"who": who.name, "unit": command.unit, "verb": command.verb.value, "error": str(error)},
        )


def take_ack(controller: Controller, ack: Ack) -> None:
    """Give an answer to whoever waits for it; nobody waits for a late one."""
    waiting = controller.acks.get(ack.id)
    if waiting is None or waiting.done():
        controller.refused["unasked"] += 1
    else:
        waiting.set_result(ack)
