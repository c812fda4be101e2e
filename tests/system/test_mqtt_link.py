"""The controller's MQTT link against the real Mosquitto, with the generated configuration."""

import json
import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.mosquitto_config import write_mosquitto_config
from diemcau_controller.adapters.mqtt import OVERFLOW, MqttLink, Received
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import Channel, Reason, topic
from diemcau_wire.messages import Receipt
from paho.mqtt.enums import CallbackAPIVersion

PORT = 28883
AT = "2026-03-02T01:00:00Z"


class Broker:
    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "ca")
        self.authority.ensure()
        server = self.authority.server_certificate([], [ADDRESS])
        self.config = write_mosquitto_config(
            folder / "mosquitto",
            authority=self.authority,
            server=server,
            addresses=[ADDRESS],
            port=PORT,
            units=["u1", "u2"],
        )
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(["mosquitto", "-c", str(self.config)], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def client(self, cn: str) -> paho.Client:
        """A bare client with the certificate of `cn`, connected."""
        key, certificate = self.authority.client_files(cn)
        context = ssl.create_default_context(cafile=str(self.authority.ca_path))
        context.load_cert_chain(certificate, key)
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"{cn}-test")
        client.tls_set_context(context)
        client.max_inflight_messages_set(500)
        until(lambda: _connects(client))
        client.loop_start()
        return client


def _connects(client: paho.Client) -> bool:
    try:
        client.connect(ADDRESS, PORT)
    except OSError:
        return False
    return True


def until(what: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


class Heard:
    """A link that stores what it hears and acknowledges it."""

    def __init__(self, broker: Broker, **more: object) -> None:
        self.taken: list[Received] = []
        self.connections = 0
        self.gate = threading.Event()
        self.gate.set()
        key, certificate = broker.authority.client_files("controller")
        self.link = MqttLink(
            ADDRESS,
            PORT,
            ca=broker.authority.ca_path,
            key=key,
            certificate=certificate,
            on_batch=self._batch,
            on_connect=self._connect,
            **more,  # type: ignore[arg-type]
        )
        self.link.start()

    def _batch(self, batch: list[Received]) -> None:
        self.gate.wait(20)
        self.taken += batch
        for received in batch:
            self.link.ack(received)

    def _connect(self) -> None:
        self.connections += 1


@pytest.fixture
def heard(broker: Broker) -> Iterator[Heard]:
    made = Heard(broker)
    until(lambda: made.connections == 1)
    yield made
    made.gate.set()
    made.link.stop()


def event(unit: str, seq: int) -> str:
    return json.dumps(
        {
            "unit": unit,
            "id": f"{unit}:s:{seq}",
            "boot_id": "b",
            "stream": "s",
            "seq": seq,
            "at": AT,
            "kind": "joined",
        }
    )


def health(unit: str) -> str:
    return json.dumps(
        {
            "unit": unit,
            "boot_id": "b",
            "seq": 1,
            "at": AT,
            "interval_s": 10,
            "cpu_percent": 1,
            "memory_percent": 1,
            "disk_free_bytes": 1,
            "uptime_s": 1,
        }
    )


def test_messages_arrive_in_batches_and_are_acknowledged(broker: Broker, heard: Heard) -> None:
    unit = broker.client("u1")
    for seq in range(1, 5001):
        unit.publish(topic("u1", Channel.EVENT), event("u1", seq), 1)
    until(lambda: len(heard.taken) == 5000)
    assert [received.message.seq for received in heard.taken] == list(range(1, 5001))  # type: ignore[attr-defined]
    unit.loop_stop()


def test_what_was_not_acknowledged_comes_again(broker: Broker, heard: Heard) -> None:
    unit = broker.client("u1")
    heard.link.ack = lambda _received: None  # type: ignore[method-assign]
    unit.publish(topic("u1", Channel.STATE), state("u1"), 1, retain=True)
    until(lambda: len(heard.taken) == 1)
    heard.link._resync.set()
    until(lambda: len(heard.taken) == 2 and heard.taken[1].retained)
    unit.loop_stop()


def state(unit: str) -> str:
    return json.dumps(
        {"unit": unit, "status": "online", "boot_id": "b", "nonce": "n", "version": "1", "at": AT}
    )


def test_a_unit_has_its_own_topics_only(broker: Broker, heard: Heard) -> None:
    one, two = broker.client("u1"), broker.client("u2")
    got: list[str] = []
    two.on_message = lambda _client, _data, message: got.append(message.topic)
    for unit in ("u1", "u2"):
        two.subscribe([(topic(unit, Channel.RECEIPT), 1)])
    time.sleep(0.2)
    one.publish(topic("u2", Channel.EVENT), event("u2", 1), 1)
    one.publish(topic("u1", Channel.RECEIPT), "{}", 1)
    for unit in ("u1", "u2"):
        assert heard.link.publish(Receipt(unit=unit, streams={"s": 1}), Channel.RECEIPT)
    one.publish(topic("u1", Channel.EVENT), event("u1", 1), 1)
    until(lambda: bool(heard.taken) and bool(got))
    time.sleep(0.3)
    assert [received.topic.unit for received in heard.taken] == ["u1"]
    assert got == [topic("u2", Channel.RECEIPT)]
    one.loop_stop()
    two.loop_stop()


def test_without_a_certificate_of_ours_nobody_gets_in(broker: Broker, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "other")
    stranger.ensure()
    key, certificate = stranger.client_files("controller")
    context = ssl.create_default_context(cafile=str(broker.authority.ca_path))
    context.load_cert_chain(certificate, key)
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.tls_set_context(context)
    answers: list[object] = []
    client.on_connect = lambda *more: answers.append(more)
    try:
        client.connect(ADDRESS, PORT)
        for _ in range(20):
            client.loop(0.05)
    except OSError:
        pass
    assert not answers


def test_garbage_is_counted_by_reason(broker: Broker, heard: Heard) -> None:
    unit = broker.client("u1")
    where = topic("u1", Channel.EVENT)
    for payload in (
        b"\xff\xfe",
        b"{",
        b"[" * 5000,
        b'{"v": 2}',
        event("u2", 1).encode(),
        b"{}",
        b"x" * 65537,
    ):
        for _ in range(300):
            unit.publish(where, payload, 1)
    unit.publish(where, event("u1", 7), 1)
    until(lambda: len(heard.taken) == 1)
    reasons = (
        Reason.ENCODING,
        Reason.JSON,
        Reason.DEPTH,
        Reason.VERSION,
        Reason.FOREIGN,
        Reason.FIELDS,
        Reason.SIZE,
    )
    assert heard.link.refused == {reason: 300 for reason in reasons}
    unit.loop_stop()


def test_a_slow_writer_loses_health_but_no_event(broker: Broker, heard: Heard) -> None:
    unit = broker.client("u1")
    heard.gate.clear()
    for seq in range(1, 1001):
        unit.publish(topic("u1", Channel.EVENT), event("u1", seq), 1)
    for _ in range(8000):
        unit.publish(topic("u1", Channel.HEALTH), health("u1"), 0)
    until(lambda: heard.link.refused[OVERFLOW] > 0)
    time.sleep(0.5)
    heard.gate.set()
    until(lambda: sum(r.topic.channel is Channel.EVENT for r in heard.taken) == 1000)
    assert heard.connections == 1
    unit.loop_stop()


def test_the_broker_killed_and_back(broker: Broker, heard: Heard) -> None:
    broker.kill()
    until(lambda: not heard.link.connected)
    assert not heard.link.publish(Receipt(unit="u1", streams={}), Channel.RECEIPT)
    broker.start()
    until(lambda: heard.connections == 2, 20)
    unit = broker.client("u1")
    unit.publish(topic("u1", Channel.EVENT), event("u1", 1), 1)
    until(lambda: len(heard.taken) == 1)
    unit.loop_stop()


def test_an_error_of_the_writer_ends_nothing(broker: Broker, heard: Heard) -> None:
    unit = broker.client("u1")
    real = heard.link._on_batch

    def fails(_batch: list[Received]) -> None:
        heard.link._on_batch = real
        raise RuntimeError("disk full")

    heard.link._on_batch = fails
    for seq in (1, 2):
        unit.publish(topic("u1", Channel.EVENT), event("u1", seq), 1)
        time.sleep(0.3)
    until(lambda: len(heard.taken) == 1)
    unit.loop_stop()
