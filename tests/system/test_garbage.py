"""10,000 messages of garbage for the unit and 10,000 for the controller, beside real commands."""

from __future__ import annotations

import contextlib
import math
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import paho.mqtt.client as paho
import pytest
from diemcau_wire import Channel, topic

from tests.system import garbage
from tests.system.one_hall import OneHall, RealCommands, one_hall, private_bytes, until

SEED = 20260312
MESSAGES = 10_000
WARM_UP = 4_000  # as fast as the broker takes them
WINDOW = 400  # messages under way to the broker
PER_SECOND = 700  # to each side
SLOWEST_S = 2.0
GROWTH_BYTES = 5 * 2**20
UNANSWERED = ("foreign_connection", "stale_epoch", "unknown_verb", "replayed")


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHall]:
    with one_hall(tmp_path_factory.mktemp("garbage")) as made:
        yield made


@dataclass
class Source:
    """Sends garbage of one set of recipes and remembers what should be counted."""

    hall: OneHall
    recipes: garbage.Recipes

    def __post_init__(self) -> None:
        self.clients = {True: self.hall.as_unit(), False: self.hall.as_controller()}
        self.expected: Counter[str] = Counter()
        self.held_back = 0
        self.retained: set[str] = set()

    def send(self, count: int, seed: int, per_second: float) -> None:
        chance = random.Random(seed)
        under_way: deque[paho.MQTTMessageInfo] = deque()
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            piece = garbage.make(self.recipes, chance)
            sent = self.clients[piece.by_unit].publish(piece.topic, piece.payload, 1, retain=piece.retain)
            under_way.append(sent)
            if piece.reason == garbage.HELD_BACK:
                self.held_back += 1
            else:
                self.expected[piece.reason] += 1
                if piece.retain:
                    self.retained.add(piece.topic)
            if len(under_way) > WINDOW:
                under_way.popleft().wait_for_publish(30)
        while under_way:
            under_way.popleft().wait_for_publish(30)

    def forget(self) -> None:
        """Take back what the broker keeps: an empty payload, which is no JSON either."""
        for name in self.retained:
            self.clients[True].publish(name, b"", 1, retain=True).wait_for_publish(10)
        self.expected["json"] += len(self.retained)
        for client in self.clients.values():
            client.disconnect()
            client.loop_stop()


def applied_commands(hall: OneHall, nonce: str, epoch: int, count: int = 20) -> list[garbage.Json]:
    """Commands the unit has carried out, to be replayed."""
    client = hall.as_controller()
    answered: set[str] = set()
    client.on_message = lambda _client, _data, message: answered.add(message.payload.decode())
    client.subscribe(topic(hall.unit, Channel.ACK), 1)
    fields = {"v": 1, "unit": hall.unit, "verb": "ping", "epoch": epoch, "nonce": nonce, "args": {}}
    commands = [{**fields, "id": f"real-{n}", "at": garbage._now()} for n in range(count)]
    for command in commands:
        client.publish(topic(hall.unit, Channel.CMD), garbage._dump(command), 1)
    until(lambda: len(answered) >= count)
    client.disconnect()
    client.loop_stop()
    return commands


def sources(hall: OneHall) -> tuple[Source, Source]:
    kept = hall.retained(Channel.STATE, Channel.DESIRED_CONFIG, Channel.DESIRED_SCHEDULE)
    state = kept[Channel.STATE]
    events = [
        {"v": 1, **{key: value for key, value in event.items() if key != "number"}}
        for event in hall.http.get("/api/v1/events", params={"unit": hall.unit}).json()
    ]
    measured = {
        key: v for key, v in hall.known_unit()["health"].items() if v is not None and key != "refused"
    }
    for_unit = garbage.for_unit(
        hall.unit,
        nonce=state["nonce"],
        epoch=state["epoch"],
        stream=events[0]["stream"],
        config=kept[Channel.DESIRED_CONFIG],
        schedule=kept[Channel.DESIRED_SCHEDULE],
        applied=applied_commands(hall, state["nonce"], state["epoch"]),
    )
    for_controller = garbage.for_controller(
        hall.unit,
        boot_id=state["boot_id"],
        events=events,
        health={"v": 1, "unit": hall.unit, **measured},
    )
    return Source(hall, for_unit), Source(hall, for_controller)


def refusals(hall: OneHall) -> tuple[Counter[str], Counter[str]]:
    return Counter(hall.unit_status()["refused"]), Counter(hall.health()["refused"])


def settled(
    hall: OneHall, before: tuple[Counter[str], Counter[str]], expected: tuple[Counter[str], Counter[str]]
) -> tuple[Counter[str], Counter[str]]:
    """What was refused since `before`, once it is as much as expected or no more comes."""

    def since() -> tuple[Counter[str], Counter[str]]:
        now = refusals(hall)
        return now[0] - before[0], now[1] - before[1]

    with contextlib.suppress(AssertionError):  # the comparison that follows says what is wrong
        until(lambda: [s.total() for s in since()] == [e.total() for e in expected], 30)
    return since()


def test_garbage_on_both_sides_beside_real_commands(hall: OneHall) -> None:
    until(lambda: hall.http.get("/api/v1/events", params={"unit": hall.unit}).json())
    until(lambda: hall.known_unit()["health"])
    pids = {"unit": hall.unit_pid(), "controller": hall.pid("controller")}
    for_unit, for_controller = both = sources(hall)
    before = refusals(hall)

    def send(count: int, seed: int, per_second: float) -> None:
        threads = [
            threading.Thread(target=source.send, args=(count, seed + at, per_second))
            for at, source in enumerate(both)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def expected() -> tuple[Counter[str], Counter[str]]:
        # The unit answers every command it can read, and nobody waits for those answers.
        answers = sum(for_unit.expected[reason] for reason in UNANSWERED)
        return for_unit.expected, for_controller.expected + Counter(unasked=answers)

    with RealCommands(hall) as early:
        send(WARM_UP, SEED, math.inf)
    settled(hall, before, expected())
    memory = {name: private_bytes(pid or 0) for name, pid in pids.items()}
    with RealCommands(hall) as commands:
        send(MESSAGES, SEED + 10, PER_SECOND)
    for_controller.forget()
    for_unit.forget()
    counted = settled(hall, before, expected())
    growth = {name: private_bytes(pid or 0) - memory[name] for name, pid in pids.items()}

    print(f"seed {SEED}, {len(commands.took_s)} commands, slowest answer {max(commands.took_s):.2f} s")
    for name, refused in zip(pids, counted, strict=True):
        print(
            f"{name}: {growth[name] / 2**20:+.2f} MB of {memory[name] / 2**20:.0f}, refused {dict(refused)}"
        )
    assert not commands.failed and not early.failed and len(commands.took_s) >= 10
    assert max(commands.took_s) <= SLOWEST_S
    for refused, sent in zip(counted, expected(), strict=True):
        assert refused == sent
    total = sum(source.expected.total() + source.held_back - len(source.retained) for source in both)
    assert total == 2 * (WARM_UP + MESSAGES)
    assert max(growth.values()) <= GROWTH_BYTES, growth
    assert pids == {"unit": hall.unit_pid(), "controller": hall.pid("controller")}, "nobody was restarted"


def test_afterwards_all_is_as_it_should_be(hall: OneHall) -> None:
    unit = hall.known_unit()
    assert unit["status"] == "online"
    for document in ("config", "schedule"):
        assert unit[document]["reported"] == unit[document]["desired"]
    assert hall.http.get("/").status_code == 200
    assert hall.http.get("/api/v1/events").status_code == 200
    status = hall.unit_status()
    assert status["link"] is True and status["outbox"]["pending"] == 0


def test_a_replayed_presence_is_put_right(hall: OneHall) -> None:
    """The unit's own words of an earlier connection: commands would go to nobody for ever."""
    state = {
        **{"v": 1, "unit": hall.unit, "status": "online", "epoch": 1, "boot_id": "an-earlier-boot"},
        **{"nonce": "an-earlier-connection", "version": "0.1.0", "at": garbage._now()},
    }
    client = hall.as_unit()
    name = topic(hall.unit, Channel.STATE)
    client.publish(name, garbage._dump(state), 1, retain=True).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()

    def answer() -> garbage.Json:
        sent = hall.http.post(f"/api/v1/units/{hall.unit}/commands", json={"verb": "ping"})
        return dict(sent.raise_for_status().json())

    until(lambda: answer()["error"] == "foreign_connection")
    until(lambda: answer()["ok"] is True)
