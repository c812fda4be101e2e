"""Every topic Điểm Cầu uses is built and parsed here, and nowhere else.

A topic is `dc/v1/<unit>/<channel>` where a channel is one of :class:`Channel`. There are at most five
levels, units subscribe to exact names, and only the controller uses a wildcard (one `+` in the place
of the unit), so any MQTT 3.1.1 or 5 broker will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

ROOT = "dc"
VERSION = "v1"
_UNIT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class TopicError(ValueError):
    """The topic is not one of ours; the text says why."""


class Channel(StrEnum):
    """What a topic carries. Value = the levels after the unit."""

    STATE = "state"
    HEALTH = "health"
    EVENT = "event"
    ACK = "ack"
    REPORTED_CONFIG = "reported/config"
    REPORTED_SCHEDULE = "reported/schedule"
    REPORTED_SESSION = "reported/session"
    REPORTED_DEVICES = "reported/devices"
    DESIRED_CONFIG = "desired/config"
    DESIRED_SCHEDULE = "desired/schedule"
    FLOOR = "floor"
    CMD = "cmd"
    RECEIPT = "receipt"


FROM_UNIT = frozenset(
    {
        Channel.STATE,
        Channel.HEALTH,
        Channel.EVENT,
        Channel.ACK,
        Channel.REPORTED_CONFIG,
        Channel.REPORTED_SCHEDULE,
        Channel.REPORTED_SESSION,
        Channel.REPORTED_DEVICES,
    }
)
TO_UNIT = frozenset(Channel) - FROM_UNIT
RETAINED = frozenset(
    {
        Channel.STATE,
        Channel.REPORTED_CONFIG,
        Channel.REPORTED_SCHEDULE,
        Channel.REPORTED_SESSION,
        Channel.REPORTED_DEVICES,
        Channel.DESIRED_CONFIG,
        Channel.DESIRED_SCHEDULE,
        Channel.FLOOR,
    }
)


def qos(channel: Channel) -> int:
    """QoS of a channel: health may be lost, everything else is delivered at least once."""
    return 0 if channel is Channel.HEALTH else 1


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed topic: which unit, which channel. `str()` gives the name on the wire."""

    unit: str
    channel: Channel

    def __str__(self) -> str:
        return f"{ROOT}/{VERSION}/{self.unit}/{self.channel.value}"


def is_unit_id(text: str) -> bool:
    """True if `text` may stand as a unit id in a topic and in a certificate's CN."""
    return _UNIT.fullmatch(text) is not None


def topic(unit: str, channel: Channel) -> str:
    """Name of `channel` of `unit`. Raises :class:`TopicError` for an id that cannot be one."""
    if not is_unit_id(unit):
        raise TopicError(f"not a unit id: {unit[:60]!r}")
    return str(Topic(unit, channel))


def parse_topic(name: str) -> Topic:
    """Parse a topic name. Raises :class:`TopicError` for anything that is not exactly one of ours."""
    levels = name.split("/", 3)
    if len(levels) != 4 or levels[0] != ROOT:
        raise TopicError(f"not a topic of ours: {name[:80]!r}")
    if levels[1] != VERSION:
        raise TopicError(f"unknown topic version: {levels[1][:20]!r}")
    if not is_unit_id(levels[2]):
        raise TopicError(f"not a unit id: {levels[2][:60]!r}")
    try:
        return Topic(levels[2], Channel(levels[3]))
    except ValueError:
        raise TopicError(f"unknown channel: {levels[3][:60]!r}") from None


def filters_of_unit(unit: str) -> list[str]:
    """The exact topic names a unit subscribes to."""
    return [topic(unit, channel) for channel in sorted(TO_UNIT)]


def filters_of_controller() -> list[str]:
    """The filters the controller subscribes to: one wildcard, in the place of the unit."""
    return [f"{ROOT}/{VERSION}/+/{channel.value}" for channel in sorted(FROM_UNIT)]
