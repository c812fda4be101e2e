"""A large fleet that speaks through the real broker to a real controller: 168 units by one process.

A unit may write its own topics only, over a connection of its own; the controller may write all of them. So
one connection with the controller's certificate speaks for every unit, and all from the broker on is real.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.config import StateDir
from diemcau_controller.demo.network import Network
from diemcau_controller.demo.stage import Stage
from diemcau_controller.namespace import ADDRESS
from diemcau_controller.store.database import Database
from diemcau_controller.store.tables import Unit
from diemcau_wire import encode, topic
from diemcau_wire.messages import Message
from diemcau_wire.topics import Channel
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import select

from .big_fleet import fill, health

PATIENCE_S = 60.0


class BrokerFleet:
    """`url` and `token` let a browser in; `per_s` measurements arrive each second, unit after unit."""

    def __init__(self, stage: Stage, sites: list[str], numbers: list[int], per_s: float) -> None:
        self.sites, self.url, self.token = sites, stage.api.url, stage.api.token
        self.numbers = numbers  # of the sites that have a unit
        self.sent = 0
        self._every_s = 1 / per_s
        self._stop = threading.Event()
        state = StateDir(stage.root)
        key, certificate = Authority(state.authority).client_files("controller")
        tls = ssl.create_default_context(cafile=str(state.ca_certificate))
        tls.load_cert_chain(certificate, key)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.tls_set_context(tls)
        self._client.connect(ADDRESS, int(json.loads(state.contact.read_text())["mqtt_port"]))
        self._client.loop_start()
        self._thread = threading.Thread(target=self._measure, name="fleet", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, channel: Channel, message: Message) -> None:
        """A unit says this, now."""
        qos = 0 if channel is Channel.HEALTH else 1
        self._client.publish(topic(message.unit, channel), encode(message), qos=qos)

    def _measure(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            seq, number = divmod(self.sent, len(self.numbers))
            self.say(Channel.HEALTH, health(self.numbers[number], seq + 2, datetime.now(UTC)))
            self.sent += 1
            due += self._every_s


@contextmanager
def broker_fleet(root: Path, count: int, per_s: float) -> Iterator[BrokerFleet]:
    """Broker, Janus and controller with `count` sites whose units measure, until the block ends."""
    state = StateDir(root)
    state.make()
    database = Database(state.database, state.health_database)
    sites = fill(database, count, datetime.now(UTC))
    with database.read() as session:
        numbers = sorted(int(unit[1:], 16) for unit in session.scalars(select(Unit.id)))
    database.close()
    page = socket.create_server(("127.0.0.1", 0))
    with page, Stage(root, [], Network(ADDRESS, page), ()) as stage:
        stage.start_services(time.monotonic() + PATIENCE_S)
        fleet = BrokerFleet(stage, sites, numbers, per_s)
        fleet.start()
        try:
            yield fleet
        finally:
            fleet.stop()
