"""The unit process against the real Mosquitto: connecting, garbage, commands, faults of the line."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from diemcau_agent.ipc import encode_line
from diemcau_controller.adapters.authority import Authority
from diemcau_wire import MAX_BYTES, Channel
from diemcau_wire.unix_socket import connect

from tests.system.unit_side import Broker, Coordinator, UnitProcess, now, until

GARBAGE = 10_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker")
    yield made
    made.kill()


@pytest.fixture(params=["3.1.1"])
def unit(tmp_path: Path, broker: Broker, request: pytest.FixtureRequest) -> Iterator[UnitProcess]:
    made = UnitProcess(tmp_path, broker.authority, mqtt=request.param)
    made.start()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture
def coordinator(broker: Broker, unit: UnitProcess) -> Iterator[Coordinator]:
    made = Coordinator(broker.authority, unit.unit)
    yield made
    made.close()


@pytest.mark.parametrize("unit", ["3.1.1", "5"], indirect=True)
def test_a_unit_connects_configures_itself_and_says_good_bye(
    unit: UnitProcess, coordinator: Coordinator
) -> None:
    state = coordinator.online()
    assert state["epoch"] == 0 and "site" not in state
    coordinator.configure()
    until(lambda: coordinator.last(Channel.REPORTED_CONFIG).get("rev") == 1)
    until(lambda: coordinator.last(Channel.STATE).get("site") == "tra-nam")
    coordinator.schedule()
    until(lambda: coordinator.last(Channel.REPORTED_SCHEDULE).get("rev") == 1)
    assert json.loads((unit.state / "desired" / "config.json").read_bytes())["rev"] == 1
    until(lambda: coordinator.kinds() == ["booted"])
    until(lambda: coordinator.last(Channel.HEALTH).get("outbox_pending") == 0)
    status = unit.status()
    assert status["link"] is True and status["epoch"] == 1 and status["rev"] == {"config": 1, "schedule": 1}
    assert status["outbox"] == {"pending": 0} and status["boot_id"] == state["boot_id"]
    assert unit.stop() == 0
    until(lambda: coordinator.last(Channel.STATE).get("status") == "offline")


def test_a_killed_unit_is_lost_by_its_own_will(unit: UnitProcess, coordinator: Coordinator) -> None:
    nonce = coordinator.online()["nonce"]
    unit.stop(signal.SIGKILL)
    lost = until(lambda: (s := coordinator.last(Channel.STATE)).get("status") == "lost" and s)
    assert lost["nonce"] == nonce


def test_stale_documents_are_refused_with_a_reason(unit: UnitProcess, coordinator: Coordinator) -> None:
    coordinator.online()
    coordinator.configure(rev=7, epoch=2)
    until(lambda: coordinator.last(Channel.REPORTED_CONFIG).get("rev") == 7)
    coordinator.configure(rev=6, epoch=2)
    until(lambda: "older" in coordinator.last(Channel.REPORTED_CONFIG).get("error", ""))
    coordinator.configure(rev=8, epoch=1)
    until(lambda: "stale" in coordinator.last(Channel.REPORTED_CONFIG).get("error", ""))
    assert unit.status()["epoch"] == 2


def test_what_was_said_before_a_backup_was_restored_counts_no_more(
    unit: UnitProcess, coordinator: Coordinator
) -> None:
    coordinator.online()
    coordinator.configure(rev=40, epoch=3)
    until(lambda: coordinator.last(Channel.STATE).get("epoch") == 3)
    captured = coordinator.command("ping")
    assert coordinator.ack(captured)["ok"] is True
    coordinator.configure(rev=2, epoch=2, generation=2)  # the restored controller counts on from its backup
    until(lambda: coordinator.last(Channel.STATE).get("epoch") == 2)
    assert unit.status()["rev"]["config"] == 2

    late = coordinator.ack(coordinator.command("ping", epoch=2))
    assert (late["ok"], late["error"]) == (False, "generation") and late["text"]
    assert coordinator.ack(coordinator.command("ping", epoch=2, generation=2))["ok"] is True
    coordinator.configure(rev=41, epoch=3)
    coordinator.say(Channel.RECEIPT, streams={"s": 1})
    until(lambda: coordinator.last(Channel.HEALTH).get("refused", {}).get("generation") == 3)
    boot_id = coordinator.online()["boot_id"]
    unit.stop(signal.SIGKILL)
    unit.start()
    until(lambda: coordinator.last(Channel.HEALTH).get("boot_id") != boot_id)
    until(lambda: coordinator.last(Channel.HEALTH)["refused"].get("generation"), why="it has forgotten")
    assert unit.status()["epoch"] == 2


def test_commands_are_applied_at_most_once_and_only_where_they_are_meant_for(
    unit: UnitProcess, coordinator: Coordinator
) -> None:
    nonce = coordinator.online()["nonce"]
    coordinator.configure(epoch=3)
    until(lambda: coordinator.last(Channel.STATE).get("epoch") == 3)
    done = coordinator.command("ping")
    assert coordinator.ack(done)["ok"] is True

    def refused(word: str, **more: object) -> None:
        before = len(coordinator.all(Channel.ACK))
        coordinator.command(**{"verb": "ping", **more})
        ack = until(lambda: coordinator.all(Channel.ACK)[before:], 2)[0]
        assert (ack["ok"], ack["error"]) == (False, word) and ack["text"]

    refused("replayed", id=done)
    refused("stale_epoch", epoch=2)
    refused("foreign_connection", nonce="0" * 32)
    refused("unknown_verb", verb="make_coffee")
    refused("no_upload", verb="picture")
    refused("no_meeting", verb="restart_media")
    screen = unit.pid("screen")
    assert coordinator.ack(coordinator.command("restart_screen"))["ok"] is True
    until(lambda: unit.pid("screen") not in (None, screen))
    unit.stop(signal.SIGKILL)
    unit.start()
    until(lambda: (s := coordinator.last(Channel.STATE)).get("status") == "online" and s["nonce"] != nonce)
    refused("foreign_connection", nonce=nonce)


def test_a_broker_of_another_authority_gets_nothing(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other" / "ca")
    other.ensure()
    unit = UnitProcess(tmp_path / "other", other, admitted=False)
    unit.start()
    coordinator = Coordinator(broker.authority, unit.unit)
    try:
        until(lambda: any("no connection" in line["event"] for line in unit.logged()))
        assert unit.status()["link"] is False and not coordinator.heard
    finally:
        coordinator.close()
        unit.stop(signal.SIGKILL)


def test_garbage_on_the_units_own_socket(unit: UnitProcess, coordinator: Coordinator) -> None:
    coordinator.online()
    with connect(unit.state / "run" / "unit.sock") as sock:
        for line in (
            b"coffee",
            b"[]",
            b'{"type": 7}',
            b"x" * 200_000,
            b'{"type": "coffee"}',
            b'{"type": "snapshot"}',
        ):
            sock.sendall(line + b"\n")
        sock.sendall(encode_line({"type": "status"}))
        answers = sock.makefile("rb")
        assert [json.loads(answers.readline())["type"] for _ in range(3)] == ["error", "error", "status"]


def garbage(unit: str, number: int, random: random.Random) -> tuple[Channel, bytes]:
    sound = {"v": 1, "unit": unit, "id": f"g{number}", "verb": "ping", "epoch": 0, "nonce": "x", "at": now()}
    channel = random.choice([Channel.CMD, Channel.FLOOR, Channel.RECEIPT, Channel.DESIRED_CONFIG])
    kinds = [
        b"",
        random.randbytes(random.randrange(200)),
        b"[" * 3000 + b"]" * 3000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"null",
        b"NaN",
        b'"text"',
        json.dumps({**sound, "v": 99}).encode(),
        json.dumps({**sound, "unit": "somebody-else"}).encode(),
        json.dumps({**sound, "id": "x" * 500}).encode(),
        json.dumps({**sound, "epoch": -1}).encode(),
        json.dumps({**sound, "verb": 7}).encode(),
        json.dumps(sound).encode()[:-9],
        json.dumps({"v": 1, "unit": unit, "pad": "x" * 70_000}).encode() if number % 50 == 0 else b"{}",
        '{"unit": "\udc80"}'.encode(errors="surrogatepass"),
    ]
    return channel, random.choice(kinds)


def test_garbage_of_every_kind_beside_real_commands(unit: UnitProcess, coordinator: Coordinator) -> None:
    coordinator.online()
    until(lambda: coordinator.last(Channel.HEALTH))
    chance = random.Random(20260312)
    memory = psutil.Process(unit.process.pid).memory_full_info().uss
    slowest, oversized = 0.0, 0
    for number in range(GARBAGE):
        channel, payload = garbage(unit.unit, number, chance)
        coordinator.raw(channel, payload)
        oversized += len(payload) > MAX_BYTES  # the broker keeps those back
        if number % 500 == 0:
            began = time.monotonic()
            assert coordinator.ack(coordinator.command("ping"), 5)["ok"] is True
            slowest = max(slowest, time.monotonic() - began)
    assert slowest <= 2
    reasons = {"json", "encoding", "depth", "version", "fields", "foreign"}

    def refused() -> dict[str, int]:
        return {reason: count for reason, count in unit.status()["refused"].items() if reason in reasons}

    until(lambda: sum(refused().values()) == GARBAGE - oversized, 60)
    assert set(refused()) == reasons
    growth = psutil.Process(unit.process.pid).memory_full_info().uss - memory
    assert growth <= 5 * 2**20, f"{growth / 2**20:.1f} MB more"
    assert coordinator.ack(coordinator.command("ping"))["ok"] is True


def test_a_broker_killed_and_restarted(broker: Broker, unit: UnitProcess, coordinator: Coordinator) -> None:
    nonce = coordinator.online()["nonce"]
    coordinator.configure()
    until(lambda: coordinator.last(Channel.REPORTED_CONFIG).get("rev") == 1)
    broker.kill()
    until(lambda: unit.status()["link"] is False)
    os.kill(unit.pid("screen") or 0, signal.SIGKILL)  # something happens meanwhile
    until(lambda: unit.status()["outbox"]["pending"] == 1)
    coordinator.heard.clear()
    broker.start()
    state = until(lambda: (s := coordinator.last(Channel.STATE)).get("status") == "online" and s, 15)
    assert state["nonce"] != nonce
    until(lambda: coordinator.last(Channel.REPORTED_CONFIG).get("rev") == 1)
    until(lambda: coordinator.last(Channel.REPORTED_SESSION).get("state") == "idle")
    until(lambda: "process_ended" in coordinator.kinds())
    until(lambda: unit.status()["outbox"]["pending"] == 0)
    assert coordinator.ack(coordinator.command("ping"))["ok"] is True


def test_without_receipts_events_stay_and_come_again(broker: Broker, unit: UnitProcess) -> None:
    deaf = Coordinator(broker.authority, unit.unit, receipts=False)
    try:
        until(lambda: deaf.kinds() == ["booted"])
        assert unit.status()["outbox"]["pending"] == 1
        unit.stop()
        unit.start()
        until(lambda: deaf.kinds() == ["booted", "booted"])
        assert [event["seq"] for event in deaf.events()] == [1, 2]
        until(lambda: unit.status()["outbox"]["pending"] == 2)
        first = deaf.events()[0]
        deaf.say(Channel.RECEIPT, streams={first["stream"]: 2**50})
        deaf.say(Channel.RECEIPT, streams={first["stream"]: 1})
        until(lambda: unit.status()["outbox"]["pending"] == 1)
        deaf.say(Channel.RECEIPT, streams={first["stream"]: 2})
        until(lambda: unit.status()["outbox"]["pending"] == 0)
        listed = [json.loads(line) for line in unit.cli("events", "--json").stdout.splitlines()]
        assert [(event["seq"], event["kind"]) for event in listed] == [(1, "booted"), (2, "booted")]
        assert set(listed[0]) == {
            "id",
            "unit",
            "boot_id",
            "stream",
            "seq",
            "at",
            "kind",
            "data",
            "site",
            "meeting",
        }
    finally:
        deaf.close()


def test_a_broker_that_hangs_is_noticed(broker: Broker, unit: UnitProcess, coordinator: Coordinator) -> None:
    nonce = coordinator.online()["nonce"]
    broker.signal(signal.SIGSTOP)
    try:
        os.kill(unit.pid("screen") or 0, signal.SIGKILL)  # an event is sent into the void
        until(lambda: unit.status()["link"] is False, 25)
    finally:
        broker.signal(signal.SIGCONT)
    state = until(lambda: (s := coordinator.last(Channel.STATE)).get("nonce") != nonce and s, 40)
    assert state["status"] in ("online", "lost")
    until(lambda: coordinator.last(Channel.STATE).get("status") == "online", 40)
