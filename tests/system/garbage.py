"""Garbage of every kind, made from a seed, each with the reason for which it must be refused."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from diemcau_wire import MAX_BYTES, Channel, topic

Json = dict[str, Any]
BROKER_LIMIT = 70_000
HELD_BACK = "held back by the broker"
_OPTIONAL = ("site", "meeting", "data", "link_rtt_ms", "temperature_c", "outbox_pending", "clock_trusted")
_TIMES = (
    "yesterday",
    "2026-13-40T00:00:00Z",
    "2026-03-02T08:00:00",
    "9999-12-31T23:59:59-10:00",
    "",
    {},
    True,
)
_NUMBERS = ("x", -1, 1.5, 2**53 + 1, 10**400, 10**4000, [], {}, None)
_SOUND_FLOATS = (1.5, 2**53 + 1)
_TEXTS = (7, None, [], {}, "\ud800", "x" * 1001, ["text"])


@dataclass(frozen=True, slots=True)
class Garbage:
    """One message. `by_unit` says with whose certificate it is published."""

    topic: str
    payload: bytes
    reason: str
    by_unit: bool
    retain: bool = False


@dataclass
class Recipes:
    """What garbage is made from. `sound` makes a message that would be taken, by channel; `behind` makes
    sound messages that are refused behind the border, by reason."""

    unit: str
    by_unit: bool
    sound: dict[Channel, Callable[[], Json]]
    behind: dict[str, Callable[[random.Random], tuple[Channel, Json]]]
    retained: tuple[Channel, ...] = ()
    elsewhere: dict[str, Callable[[random.Random], tuple[str, bool, str]]] = field(default_factory=dict)


def make(recipes: Recipes, chance: random.Random) -> Garbage:
    """The next piece."""
    kinds = [
        *_BORDER,
        *(("behind", reason) for reason in recipes.behind),
        *(("elsewhere", k) for k in recipes.elsewhere),
    ]
    how, reason = chance.choice(kinds)
    if how == "elsewhere":
        where, by_unit, reason = recipes.elsewhere[reason](chance)
        return Garbage(where, _dump(chance.choice(list(recipes.sound.values()))()), reason, by_unit)
    if how == "behind":
        channel, document = recipes.behind[reason](chance)
        return Garbage(topic(recipes.unit, channel), _dump(document), reason, recipes.by_unit)
    channel = chance.choice(list(recipes.sound))
    payload = how(recipes.sound[channel](), chance)
    retain = channel in recipes.retained and chance.random() < 0.2
    return Garbage(topic(recipes.unit, channel), payload, reason, recipes.by_unit, retain)


def _dump(document: Json) -> bytes:
    return json.dumps(document).encode()


# ── what the border refuses ──────────────────────────────────────────────────────────────────────


def _random_bytes(sound: Json, chance: random.Random) -> bytes:
    return b"\xff" + chance.randbytes(chance.randrange(2000))


def _not_utf8(sound: Json, chance: random.Random) -> bytes:
    return _dump(sound)[:-1] + chance.choice(
        [b',"x":"\xe9t\xe9"}', b',"x":"\xed\xa0\x80"}', b',"x":"\xc0\xaf"}']
    )


def _not_json(sound: Json, chance: random.Random) -> bytes:
    whole = _dump(sound)
    printable = bytes(chance.randrange(33, 127) for _ in range(chance.randrange(1, 300)))
    return chance.choice(
        [
            b"",
            b"{",
            b"null",
            b"[]",
            b'"text"',
            b"NaN",
            b"17",
            whole + whole,
            whole[:-1] + b",}",
            b"<x/>" + printable,
            str(sound).encode(),
            b"\xef\xbb\xbf" + whole,
            whole.replace(b":", b"="),
        ]
    )


def _truncated(sound: Json, chance: random.Random) -> bytes:
    whole = _dump(sound)
    return whole[: chance.randrange(len(whole))]


def _no_number(sound: Json, chance: random.Random) -> bytes:
    number = chance.choice(["NaN", "Infinity", "-Infinity", "1e999", "-1e400", "9" * 5000, "0x10", "01"])
    return _dump(sound)[:-1] + f', "number": {number}}}'.encode()


def _nested(sound: Json, chance: random.Random) -> bytes:
    depth = chance.choice([17, 40, 1000, 30_000])
    if chance.random() < 0.3:
        return b"[" * depth
    nested = chance.choice(
        ["[" * depth + "]" * depth, '{"a":' * min(depth, 9000) + "1" + "}" * min(depth, 9000)]
    )
    return _dump(sound)[:-1] + f', "deep": {nested}}}'.encode()


def _unknown_version(sound: Json, chance: random.Random) -> bytes:
    return _dump({**sound, "v": chance.choice([0, 2, 99, -1, "1", None, True, [1], {}, 1.5, 10**30])})


def _oversized(sound: Json, chance: random.Random) -> bytes:
    whole = _dump(sound)
    return whole + b" " * (chance.randint(MAX_BYTES + 1, BROKER_LIMIT) - len(whole))


def _beyond_the_broker(sound: Json, chance: random.Random) -> bytes:
    return _dump(sound) + b" " * chance.randint(BROKER_LIMIT + 1, 100_000)


def _of_another_unit(sound: Json, chance: random.Random) -> bytes:
    return _dump({**sound, "unit": chance.choice(["somebody-else", "u000000000000", "x"])})


def _wrong_shape(sound: Json, chance: random.Random) -> bytes:
    if chance.random() < 0.1:
        return chance.choice([b"{}", b'{"v": 1}', b'{"a": [{}, []]}', b'{"unit": {"unit": 1}}'])
    name = chance.choice([name for name in sound if name != "v"])
    spoiled = {key: value for key, value in sound.items() if key != name}
    if chance.random() < 0.8:
        spoiled[name] = _spoil(name, sound[name], chance)
    return _dump(spoiled)


def _spoil(name: str, value: object, chance: random.Random) -> object:
    if isinstance(value, bool):
        return {}
    if isinstance(value, int | float):
        return chance.choice([bad for bad in _NUMBERS if isinstance(value, int) or bad not in _SOUND_FLOATS])
    if isinstance(value, dict | list):
        return chance.choice([7, "text", None, True])
    if name == "verb":
        return chance.choice([bad for bad in _TEXTS if not isinstance(bad, str)])
    return chance.choice(_TIMES if name in ("at", "until") else _TEXTS)


_BORDER: tuple[tuple[Any, str], ...] = (
    (_random_bytes, "encoding"),
    (_not_utf8, "encoding"),
    (_not_json, "json"),
    (_truncated, "json"),
    (_no_number, "json"),
    (_nested, "depth"),
    (_unknown_version, "version"),
    (_oversized, "size"),
    (_beyond_the_broker, HELD_BACK),
    (_of_another_unit, "foreign"),
    (_wrong_shape, "fields"),
    (_wrong_shape, "fields"),
    (_wrong_shape, "fields"),
)


# ── for a unit ───────────────────────────────────────────────────────────────────────────────────


def for_unit(
    unit: str, *, nonce: str, epoch: int, stream: str, config: Json, schedule: Json, applied: list[Json]
) -> Recipes:
    """`config`, `schedule`: what the unit runs; `applied`: commands it has carried out; `stream`: of its
    events."""

    def command(**more: Any) -> Json:
        fresh = {"v": 1, "unit": unit, "id": f"g{uuid.uuid4().hex}", "verb": "ping", "at": _now()}
        return {**fresh, "epoch": epoch, "nonce": nonce, **more}

    def stale(chance: random.Random) -> tuple[Channel, Json]:
        channel, document = chance.choice(
            [(Channel.DESIRED_CONFIG, config), (Channel.DESIRED_SCHEDULE, schedule)]
        )
        older = {"epoch": document["epoch"] - 1} if chance.random() < 0.5 else {"rev": document["rev"] - 1}
        return channel, {**document, **older}

    def floor() -> Json:
        return {
            "v": 1,
            "unit": unit,
            "meeting": "m-elsewhere",
            "seq": 1,
            "speakers": ["x"],
            "at": _now(),
        }

    return Recipes(
        unit,
        by_unit=False,
        sound={
            Channel.CMD: command,
            Channel.FLOOR: floor,
            Channel.RECEIPT: lambda: {"v": 1, "unit": unit, "streams": {"s": 1}},
            Channel.DESIRED_CONFIG: lambda: _required(config, "epoch", "rev", "site"),
            Channel.DESIRED_SCHEDULE: lambda: _required(schedule, "epoch", "rev", "until", "meetings"),
        },
        behind={
            "foreign_connection": lambda _: (Channel.CMD, command(nonce=uuid.uuid4().hex)),
            "stale_epoch": lambda chance: (Channel.CMD, command(epoch=chance.choice([0, epoch + 1, 2**53]))),
            "unknown_verb": lambda _: (Channel.CMD, command(verb="make_coffee")),
            "replayed": lambda chance: (Channel.CMD, chance.choice(applied)),
            "stale": stale,
            "floor": lambda _: (Channel.FLOOR, floor()),
            "receipt": lambda _: (Channel.RECEIPT, {"v": 1, "unit": unit, "streams": {stream: 2**50}}),
        },
    )


# ── for the controller ───────────────────────────────────────────────────────────────────────────


def for_controller(unit: str, *, boot_id: str, events: list[Json], health: Json) -> Recipes:
    """`events`: what the unit has reported; `health`: a measurement older than its newest."""

    def state(**more: Any) -> Json:
        fresh = {
            "v": 1,
            "unit": unit,
            "status": "lost",
            "boot_id": boot_id,
            "version": "1",
            "at": _now(),
        }
        return {**fresh, "nonce": uuid.uuid4().hex, **more}

    def reported() -> Json:
        return {"v": 1, "unit": unit, "rev": 1, "epoch": 1, "at": _now()}

    def stale(chance: random.Random) -> tuple[Channel, Json]:
        return (Channel.HEALTH, health) if chance.random() < 0.5 else (Channel.STATE, state())

    others = [topic("u000000000000", Channel.EVENT), topic("u000000000000", Channel.STATE)]
    to_unit = [topic(unit, channel) for channel in (Channel.CMD, Channel.RECEIPT, Channel.DESIRED_CONFIG)]
    no_topics = [f"dc/v1/{name}/state" for name in ("Not A Unit", "U1", "-", "u" * 60, "đơn-vị")]
    return Recipes(
        unit,
        by_unit=True,
        sound={
            Channel.STATE: state,
            Channel.HEALTH: lambda: {k: v for k, v in health.items() if k not in _OPTIONAL},
            Channel.EVENT: lambda: {
                k: v for k, v in events[0].items() if v is not None and k not in ("site", "meeting", "data")
            },
            Channel.ACK: lambda: {"v": 1, "unit": unit, "id": uuid.uuid4().hex, "ok": True, "at": _now()},
            Channel.REPORTED_CONFIG: reported,
            Channel.REPORTED_SCHEDULE: reported,
            Channel.REPORTED_SESSION: lambda: {"v": 1, "unit": unit, "at": _now()},
        },
        behind={
            "replayed": lambda chance: (Channel.EVENT, chance.choice(events)),
            "stale": stale,
            "unasked": lambda _: (
                Channel.ACK,
                {"v": 1, "unit": unit, "id": uuid.uuid4().hex, "ok": True, "at": _now()},
            ),
        },
        retained=(
            Channel.STATE,
            Channel.REPORTED_CONFIG,
            Channel.REPORTED_SCHEDULE,
            Channel.REPORTED_SESSION,
        ),
        elsewhere={
            "topic": lambda chance: (chance.choice(no_topics), False, "topic"),
            "direction": lambda chance: (chance.choice(to_unit), True, HELD_BACK),
            "another's": lambda chance: (chance.choice(others), True, HELD_BACK),
        },
    )


def _required(document: Json, *names: str) -> Json:
    return {"v": 1, "unit": document["unit"], **{name: document[name] for name in names}}


def _now() -> str:
    return datetime.now(UTC).isoformat()
