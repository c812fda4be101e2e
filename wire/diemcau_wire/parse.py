"""The border: bytes in, a message or a counted refusal out; never another exception."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from math import isfinite
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from .messages import MODELS, Message
from .topics import FROM_UNIT, Channel, Topic, TopicError, is_unit_id, parse_topic, topic

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Reason(StrEnum):
    """Why a message was refused; each is a counter on the receiving side."""

    TOPIC = "topic"
    SIZE = "size"
    ENCODING = "encoding"
    JSON = "json"
    DEPTH = "depth"
    VERSION = "version"
    FIELDS = "fields"
    FOREIGN = "foreign"
    DIRECTION = "direction"


class Refused(ValueError):
    """A message that is not taken. `reason` is the counter, the text is for the log."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


def encode(message: Message) -> bytes:
    """The message as it travels: compact UTF-8 JSON. Raises :class:`Refused` above 64 KiB, and for what
    cannot be written."""
    try:
        payload = message.model_dump_json(exclude_none=True).encode()
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        raise Refused(Reason.FIELDS, f"{type(message).__name__}: {error}"[:300]) from None
    if len(payload) > MAX_BYTES:
        raise Refused(Reason.SIZE, f"{type(message).__name__} is {len(payload)} bytes, more than {MAX_BYTES}")
    return payload


def address(message: Message, channel: Channel) -> str:
    """Topic name for `message` on `channel`; the channel must carry that kind of message."""
    if not isinstance(message, MODELS[channel]):
        raise TypeError(f"{channel} carries {MODELS[channel].__name__}, not {type(message).__name__}")
    return topic(message.unit, channel)


def decode(name: str, payload: bytes, *, from_unit: bool) -> tuple[Topic, Message]:
    """Parse what arrived on topic `name`.

    `from_unit` says which side speaks: the controller passes True, a unit False, so nobody takes an
    echo of his own messages. Raises :class:`Refused`, and nothing else, for whatever bytes.
    """
    try:
        where = parse_topic(name)
    except TopicError as error:
        raise Refused(Reason.TOPIC, str(error)) from None
    if (where.channel in FROM_UNIT) is not from_unit:
        raise Refused(Reason.DIRECTION, f"{where.channel} does not come from that side")
    return where, decode_as(where.channel, payload, unit=where.unit)


def decode_as(channel: Channel, payload: bytes, *, unit: str) -> Message:
    """Parse a payload known to belong to `channel` of `unit`; also used for documents read from disk."""
    document = load_document(payload)
    version = document.get("v", 1)
    if version != 1 or isinstance(version, bool):
        raise Refused(Reason.VERSION, f"version {str(version)[:20]} is not known here")
    claimed = document.get("unit")
    if claimed != unit and isinstance(claimed, str) and is_unit_id(claimed):
        raise Refused(Reason.FOREIGN, f"message of {claimed} on a topic of {unit}")
    try:
        return MODELS[channel].model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise Refused(Reason.FIELDS, f"{channel}: {where}: {first['msg']}"[:300]) from None


def load_document(payload: bytes) -> dict[str, Any]:
    """The JSON object in these bytes. Raises :class:`Refused`, and nothing else."""
    if len(payload) > MAX_BYTES:
        raise Refused(Reason.SIZE, f"{len(payload)} bytes, more than {MAX_BYTES}")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(Reason.ENCODING, f"not UTF-8 at byte {error.start}") from None
    if _too_deep(text):
        raise Refused(Reason.DEPTH, f"nested deeper than {MAX_DEPTH}")
    try:
        document = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.JSON, str(error)[:200]) from None
    if not isinstance(document, dict):
        raise Refused(Reason.JSON, "not an object")
    if _SURROGATE.search(text) is not None:  # as a pair it is a letter, alone it cannot be written again
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Refused(Reason.FIELDS, "half a surrogate pair") from None
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def _too_deep(text: str) -> bool:
    """Whether brackets outside strings nest too deep, found without parsing (and so without recursion)."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif character in "]}":
            depth -= 1
    return False
