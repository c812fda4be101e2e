"""Who may do what at the broker, in the words of Mosquitto's dynamic security plugin.

A unit that serves a site is a client (its CN) with a role of its own, for `%u` is not known there; whoever
is not named has no right at all. `deleteClient` also ends the live connection. Commands go as JSON to
CONTROL, the answers come on ANSWERS: https://github.com/eclipse/mosquitto/blob/v2.0.11/plugins/dynamic-security/README.md
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from diemcau_wire import topic
from diemcau_wire.topics import FROM_UNIT, ROOT, TO_UNIT, VERSION

CONTROLLER_CN = "controller"
CONTROL = "$CONTROL/dynamic-security/v1"
ANSWERS = f"{CONTROL}/response"
PER_MESSAGE = 20  # commands in one message: a unit's role is 1.3 kB
_DONE_ALREADY = ("already exists", "not found")

Json = dict[str, Any]


class AnswerRefused(ValueError):
    """What came on ANSWERS is none."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the broker knows: names of clients and of roles, without the controller's."""

    clients: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


def role_of(unit: str) -> str:
    """Name of the role of a unit."""
    return f"unit-{unit}"


def document(units: Iterable[str]) -> Json:
    """The plugin's whole file: the controller, and these units."""
    known = sorted(set(units))
    return {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
        "clients": [_client(CONTROLLER_CN, CONTROLLER_CN), *(_client(unit, role_of(unit)) for unit in known)],
        "groups": [],
        "roles": [_controller_role(), *(_unit_role(unit) for unit in known)],
    }


def questions() -> bytes:
    """The message that asks what the broker knows; the answer is for :func:`read_answer`."""
    every = {"verbose": False, "count": -1, "offset": 0}
    return _message([{"command": "listClients", **every}, {"command": "listRoles", **every}])


def changes(known: Known, units: Iterable[str]) -> Iterator[bytes]:
    """The messages after which these units have rights and no other: first who loses them."""
    wanted = {unit: role_of(unit) for unit in sorted(set(units))}
    commands: list[Json] = []
    commands += [
        {"command": "deleteClient", "username": name} for name in sorted(known.clients - wanted.keys())
    ]
    commands += [
        {"command": "deleteRole", "rolename": name} for name in sorted(known.roles - {*wanted.values()})
    ]
    for unit, role in wanted.items():
        if role not in known.roles:
            commands.append({"command": "createRole", **_unit_role(unit)})
        if unit not in known.clients:
            commands.append({"command": "createClient", **_client(unit, role)})
    for start in range(0, len(commands), PER_MESSAGE):
        yield _message(commands[start : start + PER_MESSAGE])


def read_answer(payload: bytes) -> tuple[Known | None, list[str]]:
    """What the broker knows, if that was asked, and the sentences of what it refused to do.

    Raises :class:`AnswerRefused` for what is no answer.
    """
    try:
        responses = json.loads(payload)["responses"]
        errors = [f"{one['command']}: {one['error']}" for one in responses if "error" in one]
        lists = {one["command"]: one["data"] for one in responses if one["command"].startswith("list")}
        known = None
        if "listClients" in lists and "listRoles" in lists:
            known = Known(
                frozenset(map(str, lists["listClients"]["clients"])) - {CONTROLLER_CN},
                frozenset(map(str, lists["listRoles"]["roles"])) - {CONTROLLER_CN},
            )
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise AnswerRefused(f"no answer of the broker's: {error!r}"[:200]) from None
    return known, [error for error in errors if not error.lower().endswith(_DONE_ALREADY)]


def _message(commands: list[Json]) -> bytes:
    return json.dumps({"commands": commands}, separators=(",", ":")).encode()


def _client(name: str, role: str) -> Json:
    return {"username": name, "roles": [{"rolename": role, "priority": -1}]}


def _unit_role(unit: str) -> Json:
    """Writes its own channels, subscribes to those for it by their exact names, and receives nothing else."""
    allowed = [("publishClientSend", topic(unit, channel)) for channel in sorted(FROM_UNIT)]
    allowed += [("subscribeLiteral", topic(unit, channel)) for channel in sorted(TO_UNIT)]
    allowed.append(("publishClientReceive", f"{ROOT}/{VERSION}/{unit}/#"))
    return {"rolename": role_of(unit), "acls": [_allow(kind, name) for kind, name in allowed]}


def _controller_role() -> Json:
    kinds = ("publishClientSend", "publishClientReceive", "subscribePattern")
    places = (f"{ROOT}/#", "$CONTROL/dynamic-security/#")
    return {"rolename": CONTROLLER_CN, "acls": [_allow(kind, place) for place in places for kind in kinds]}


def _allow(kind: str, name: str) -> Json:
    return {"acltype": kind, "topic": name, "priority": 0, "allow": True}
