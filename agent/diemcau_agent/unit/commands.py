"""Commands at the border: applied at most once, by the unit they are meant for, on the connection they
are meant for."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass

from diemcau_wire import Channel, Reason, Refused, decode, decode_as
from diemcau_wire.messages import Command, Message, Verb

_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class UnknownVerb:
    """A sound command with a verb that this version does not know."""

    id: str
    epoch: int
    nonce: str
    verb: str


Arrival = Message | UnknownVerb


def read(unit: str, topic: str, payload: bytes) -> tuple[Channel, Arrival]:
    """Parse what arrived for `unit`. Raises :class:`Refused`, and nothing else."""
    try:
        where, message = decode(topic, payload, from_unit=False)
    except Refused as error:
        unknown = _unknown_verb(topic, payload) if error.reason is Reason.FIELDS else None
        if unknown is None:
            raise
        return Channel.CMD, unknown
    if where.unit != unit:
        raise Refused(Reason.FOREIGN, f"for {where.unit}")
    return where.channel, message


def _unknown_verb(topic: str, payload: bytes) -> UnknownVerb | None:
    """What would be a command if only its verb were known, so that it can be answered."""
    _, _, unit, channel = topic.split("/", 3)
    document = json.loads(payload)
    verb = document.get("verb")
    if channel != Channel.CMD or not isinstance(verb, str) or verb in list(Verb):
        return None
    try:
        command = decode_as(
            Channel.CMD, json.dumps({**document, "verb": Verb.PING.value}).encode(), unit=unit
        )
    except Refused:
        return None
    if not isinstance(command, Command):
        return None
    return UnknownVerb(command.id, command.epoch, command.nonce, verb[:80])


class Admission:
    """Remembers which commands were applied."""

    def __init__(self) -> None:
        self._order: deque[str] = deque(maxlen=_REMEMBERED)

    def refusal(self, command: Command | UnknownVerb, *, epoch: int, nonce: str | None) -> str | None:
        """Why `command` is not applied, as a stable word; None when it is, and then never again.

        A command of another connection is late or replayed. Within a connection the id decides.
        """
        if command.nonce != nonce:
            return "foreign_connection"
        if command.epoch != epoch:
            return "stale_epoch"
        if command.id in self._order:
            return "replayed"
        self._order.append(command.id)
        return "unknown_verb" if isinstance(command, UnknownVerb) else None


TEXTS = {
    "foreign_connection": "The command is meant for another connection of this unit.",
    "stale_epoch": "The command is of another epoch than this unit runs.",
    "generation": "The command is of a controller before a backup of it was restored.",
    "replayed": "A command with this id was applied already.",
    "unknown_verb": "This version of the unit does not know that verb.",
    "in_meeting": "Not during a meeting: the camera is in use.",
    "ringing": "Not while an urgent meeting calls.",
    "too_late": "Less than five minutes before the meeting there is no time to put the check off.",
    "held": "Not now: another meeting has the hall.",
    "no_meeting_near": "The hall is in no meeting.",
    "occupied": "Not now: a meeting, a check or another event has the hall.",
    "not_allowed": "The site does not allow pictures of its room.",
    "no_configuration": "This unit has no configuration yet.",
    "device_failed": "The device did not do it.",
    "stopped": "Somebody in the hall does not want it.",
    "not_ringing": "No such urgent meeting calls this hall now.",
    "not_declined": "This hall has not declined that meeting.",
    "no_meeting": "There is no media process outside a meeting.",
    "no_upload": "The configuration does not say where pictures go.",
    "picture_failed": "The picture could not be made or sent.",
    "no_tunnel": "This unit cannot dial in: no tunnel service, or no certificate for it yet.",
    "wrong_time": "A line is wanted for at least a second and at most an hour.",
    "internal": "The unit failed at it; its log says why.",
}
"""What each stable word means, for people."""
