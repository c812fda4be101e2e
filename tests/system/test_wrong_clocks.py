"""Boxes whose clock is wrong become units and reach the broker.

The whole process of a box with its children, and the libraries below them, see another time (libfaketime);
the coordinator is a small honest one beside a real broker.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from diemcau_agent.unit.state_folder import read_identity
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import Channel

from tests.system.blank_box import Box, bound, switched_on
from tests.system.enrolment_peer import Json, Peer
from tests.system.one_hall import until
from tests.system.unit_side import Broker, Coordinator
from tests.system.unit_side import admit as give_rights

pytestmark = pytest.mark.namespace

CLOCKS = {"1970": "@1970-01-01 00:01:00", "ahead": "+400d"}  # no battery; set wrong
BOX_S = 90.0


def faked(clock: str) -> dict[str, str]:
    """The environment in which everything sees that time; the times of files are shifted likewise."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}


def on_the_broker(body: Json) -> Json:
    return {**body, "coordinator": {**body["coordinator"], "mqtt_host": ADDRESS}}


def online(coordinator: Coordinator) -> bool:
    return coordinator.last(Channel.STATE).get("status") == "online"


def test_with_whatever_clock_a_box_becomes_a_unit_and_reaches_the_broker(tmp_path: Path) -> None:
    peer = Peer(tmp_path / "office", host=ADDRESS, server_names=(ADDRESS,), change_answer=on_the_broker)
    broker = Broker(tmp_path / "office")
    boot = tmp_path / "diemcau.toml"
    boot.write_text(f'address = "{peer.address}"\n')
    with ExitStack() as ending:
        ending.callback(peer.close)
        ending.callback(broker.kill)
        boxes: dict[str, Box] = {}
        for name, clock in CLOCKS.items():
            (tmp_path / name).mkdir()
            environ = {"DIEMCAU_BOOT_FILES": str(boot), **faked(clock)}
            boxes[name] = ending.enter_context(switched_on(tmp_path / name, **environ))
        for name, box in boxes.items():
            code = until(lambda box=box: box.enrolment().get("code"), BOX_S, f"{name}: no code")
            unit = peer.approve(code, f"xa-{name}")
            decided = time.monotonic()
            give_rights(peer.authority, unit)
            coordinator = Coordinator(peer.authority, unit, name=f"controller-{name}")
            ending.callback(coordinator.close)
            until(lambda there=coordinator: online(there), BOX_S, f"{name}: not at the broker")
            said = datetime.fromisoformat(coordinator.last(Channel.STATE)["at"])
            print(f"clock {name}: approval → at the broker {time.monotonic() - decided:.1f} s")
            ahead = said - datetime.now(UTC)
            assert said.year == 1970 if name == "1970" else timedelta(399) < ahead < timedelta(401)
            assert read_identity(box.state).unit == unit and bound(box.state)
