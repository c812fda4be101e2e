"""The border of the unit's link: what is taken, refused, answered; how long it waits between attempts."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from diemcau_agent.ipc import Garbage
from diemcau_agent.unit.commands import TEXTS, Admission, UnknownVerb, read
from diemcau_agent.unit.health import clock_trusted, disk_writable, measure
from diemcau_agent.unit.lines import measured, slots_received, slots_shown
from diemcau_agent.unit.link import Inbox
from diemcau_agent.unit.supervise import Pauses, supervise
from diemcau_wire import Channel, Reason, Refused
from diemcau_wire.messages import Command, Receipt

COMMAND = {
    "v": 1,
    "unit": "u1",
    "id": "c1",
    "verb": "ping",
    "epoch": 2,
    "nonce": "n1",
    "at": "2026-03-12T01:00:00Z",
}


def arrives(channel: str = "cmd", unit: str = "u1", **fields: Any) -> tuple[Channel, Any]:
    return read("u1", f"dc/v1/{unit}/{channel}", json.dumps({**COMMAND, "unit": unit, **fields}).encode())


def test_commands_and_verbs_of_a_later_version() -> None:
    channel, command = arrives()
    assert channel is Channel.CMD and isinstance(command, Command)
    assert arrives(verb="make_coffee")[1] == UnknownVerb("c1", 2, "n1", "make_coffee")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"verb": 7}, Reason.FIELDS),
        ({"verb": "make_coffee", "nonce": None}, Reason.FIELDS),
        ({"v": 2}, Reason.VERSION),
        ({"unit": "u2"}, Reason.FOREIGN),
        ({"channel": "state"}, Reason.DIRECTION),
        ({"channel": "desired/coffee"}, Reason.TOPIC),
    ],
)
def test_what_is_not_for_us_is_refused(fields: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Refused) as refused:
        arrives(**fields)
    assert refused.value.reason is reason


def test_a_command_is_admitted_once() -> None:
    admission = Admission()
    _, command = arrives()
    assert admission.refusal(command, epoch=2, nonce="n0") == "foreign_connection"
    assert admission.refusal(command, epoch=2, nonce=None) == "foreign_connection"
    assert admission.refusal(command, epoch=3, nonce="n1") == "stale_epoch"
    assert admission.refusal(command, epoch=2, nonce="n1") is None
    assert admission.refusal(command, epoch=2, nonce="n1") == "replayed"
    unknown = arrives(verb="make_coffee", id="c2")[1]
    assert admission.refusal(unknown, epoch=2, nonce="n1") == "unknown_verb"
    assert {"foreign_connection", "stale_epoch", "replayed", "unknown_verb"} <= set(TEXTS)


def test_the_inbox_is_bounded() -> None:
    async def scenario() -> None:
        inbox = Inbox(2)
        item = (Channel.RECEIPT, Receipt(unit="u1", streams={}))
        taken = await asyncio.to_thread(lambda: [inbox.offer(item) for _ in range(3)])
        assert taken == [True, True, False]
        assert await inbox.take() == item and await inbox.take() == item
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await inbox.take()

    asyncio.run(scenario())


def test_pauses_double_have_jitter_and_forget() -> None:
    pauses = Pauses(lambda: 1.0, first_s=1, longest_s=8)
    assert [pauses.after(0.1) for _ in range(5)] == [1, 2, 4, 8, 8]
    assert pauses.after(31) == 1
    assert Pauses(lambda: 0.0, first_s=1, longest_s=8).after(0) == 0.5


def test_a_service_that_fails_is_started_again() -> None:
    runs = []

    async def service() -> None:
        runs.append(time.monotonic())
        if len(runs) < 3:
            raise RuntimeError("broken")

    asyncio.run(supervise("test", service, lambda: 0.0))
    assert len(runs) == 3 and runs[1] - runs[0] > 0.2


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"slots": None},
        {"slots": [7]},
        {"slots": [{"site": 7}]},
        {"slots": [{"site": "a"}]},
        {"slots": [{}] * 9},
    ],
)
def test_lines_of_the_other_processes_are_checked(line: dict[str, Any]) -> None:
    with pytest.raises(Garbage):
        slots_shown(line)
    with pytest.raises(Garbage):
        slots_received(line)


@pytest.mark.parametrize(
    "line",
    [{}, {"part": 7, "values": {}}, {"part": "camera"}, {"values": dict.fromkeys(map(str, range(41)))}],
)
def test_what_was_measured_is_checked(line: dict[str, Any]) -> None:
    with pytest.raises(Garbage):
        measured(line)


def test_of_measured_values_only_plain_ones_are_taken() -> None:
    line = {"part": "camera", "values": {"fps": 25.0, "why": "x" * 300, "more": {"a": 1}, "some": [1]}}
    assert measured(line) == ("camera", {"fps": 25.0, "why": "x" * 200})


def test_an_empty_slot_has_no_age() -> None:
    slots = [{"site": "a", "frames": 3, "age_ms": 40.5}, {"site": None, "frames": 0, "age_ms": None}]
    assert slots_received({"slots": slots}) == [("a", 40), (None, None)]


def test_the_machine_can_be_measured(tmp_path: Path) -> None:
    measured = measure(tmp_path)
    assert measured.disk_free_bytes > 0 and 0 <= measured.memory_percent <= 100 and measured.uptime_s > 0
    assert disk_writable(tmp_path) is None and list(tmp_path.iterdir()) == []
    assert disk_writable(tmp_path / "missing") is not None


def test_a_clock_before_our_own_files_is_not_trusted(tmp_path: Path) -> None:
    assert clock_trusted(tmp_path)
    (tmp_path / "outbox.sqlite").touch()
    assert clock_trusted(tmp_path)
    os.utime(tmp_path / "outbox.sqlite", (time.time() + 3600, time.time() + 3600))
    assert not clock_trusted(tmp_path)
