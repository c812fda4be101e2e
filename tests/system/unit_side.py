"""What tests of the unit process stand on: a real broker with mutual TLS, a controller's end, a unit."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.dynamic_security import ANSWERS, CONTROL, Known, changes, read_answer
from diemcau_controller.adapters.mosquitto_config import write_mosquitto_config
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import Channel, filters_of_controller, topic
from paho.mqtt.enums import CallbackAPIVersion

PORT = 28884
CHILDREN = Path(__file__).parent / "unit_children"
RUN = """
import sys
from pathlib import Path
from diemcau_agent.lifetime import die_with_parent
from diemcau_agent.unit.life import run
from diemcau_agent.unit.run import Programs
from diemcau_agent.unit.state_folder import StateFolder
from diemcau_wire.logs import log_to_stderr
die_with_parent()
log_to_stderr()
screen, media, restart, folder = sys.argv[1:]
programs = Programs(screen=(sys.executable, screen), media=(sys.executable, media))
run(StateFolder(Path(folder)), restart=restart == "True", programs=programs)
"""

Json = dict[str, Any]


def until(what: Callable[[], Any], seconds: float = 10, why: str = "") -> Any:
    """Wait until `what` gives something true, and give that."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, why or "not in time"
        time.sleep(0.02)
    return found


def now() -> str:
    return datetime.now(UTC).isoformat()


class Broker:
    """Mosquitto with the product's own configuration."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "ca")
        self.authority.ensure()
        server = self.authority.server_certificate([], [ADDRESS])
        self._config = write_mosquitto_config(
            folder / "mosquitto", authority=self.authority, server=server, addresses=[ADDRESS], port=PORT
        )
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def client_of_controller(authority: Authority, name: str) -> paho.Client:
    key, certificate = authority.client_files("controller")
    context = ssl.create_default_context(cafile=str(authority.ca_path))
    context.load_cert_chain(certificate, key)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
    client.tls_set_context(context)
    return client


def admit(authority: Authority, unit: str) -> None:
    """Give a unit its rights at the broker, as the controller does once it serves a site."""
    done: list[list[str]] = []
    client = client_of_controller(authority, f"admits-{unit}")
    client.on_connect = lambda *_: client.subscribe(ANSWERS, 1)
    client.on_subscribe = lambda *_: [client.publish(CONTROL, text, 1) for text in changes(Known(), {unit})]
    client.on_message = lambda _client, _data, message: done.append(read_answer(message.payload)[1])

    def connects() -> bool:
        try:
            client.connect(ADDRESS, PORT)
        except OSError:
            return False
        return True

    until(connects)
    client.loop_start()
    until(lambda: done == [[]], why=f"the broker gives {unit} no rights: {done}")
    client.disconnect()
    client.loop_stop()


class Coordinator:
    """The controller's end of the line: publishes by hand, remembers everything the unit says."""

    def __init__(
        self, authority: Authority, unit: str, *, receipts: bool = True, name: str = "controller"
    ) -> None:
        self.unit, self.receipts = unit, receipts
        self.heard: list[tuple[Channel, Json]] = []
        self.client = client_of_controller(authority, name)
        self.client.max_inflight_messages_set(1000)
        self.client.reconnect_delay_set(0.2, 0.5)
        self.client.on_connect = lambda *_: self.client.subscribe(
            [(name, 1) for name in filters_of_controller()]
        )
        self.client.on_message = self._hear
        until(self._connects)
        self.client.loop_start()

    def _connects(self) -> bool:
        try:
            self.client.connect(ADDRESS, PORT)
        except OSError:
            return False
        return True

    def _hear(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        name = message.topic.split("/", 3)[3]
        if message.topic.split("/")[2] != self.unit:
            return
        try:
            self.heard.append((Channel(name), json.loads(message.payload)))
        except ValueError:
            return
        if name == Channel.EVENT and self.receipts:
            event = self.heard[-1][1]
            self.say(Channel.RECEIPT, streams={event["stream"]: event["seq"]})

    def say(self, channel: Channel, *, retain: bool = False, **fields: Any) -> None:
        self.raw(channel, json.dumps({"v": 1, "unit": self.unit, **fields}).encode(), retain=retain)

    def raw(self, channel: Channel, payload: bytes, *, retain: bool = False) -> paho.MQTTMessageInfo:
        return self.client.publish(topic(self.unit, channel), payload, 1, retain=retain)

    def all(self, channel: Channel) -> list[Json]:
        return [message for where, message in self.heard if where is channel]

    def last(self, channel: Channel) -> Json:
        return (self.all(channel) or [{}])[-1]

    def events(self) -> list[Json]:
        """Each event once, in the order of its stream."""
        return list({event["id"]: event for event in self.all(Channel.EVENT)}.values())

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events()]

    def online(self) -> Json:
        """The unit's state, once it is online."""
        return until(
            lambda: (state := self.last(Channel.STATE)).get("status") == "online" and state,
            seconds=15,
            why="the unit is not online",
        )

    def command(self, verb: str, **more: Any) -> str:
        """Send a command as it should be, unless `more` says otherwise; gives its id."""
        state = self.last(Channel.STATE)
        fields = {"id": uuid.uuid4().hex, "verb": verb, "epoch": state.get("epoch", 0), "at": now()}
        fields = {**fields, "nonce": state.get("nonce", "none"), "args": {}, **more}
        self.say(Channel.CMD, **fields)
        return str(fields["id"])

    def ack(self, id: str, seconds: float = 3) -> Json:
        return until(
            lambda: next((ack for ack in self.all(Channel.ACK) if ack["id"] == id), None),
            seconds,
            f"no answer to {id}",
        )

    def configure(self, rev: int = 1, epoch: int = 1, site: str = "tra-nam", **more: Any) -> None:
        checks = {"morning_at": None}  # tests run at seven o'clock, too
        fields: Json = {"health_interval_s": 1, "camera": {"source": "synthetic"}, "checks": checks, **more}
        place = {"id": site, "name": "Xã Trà Nam", "area": "Nam Trà My"}
        self.say(Channel.DESIRED_CONFIG, retain=True, epoch=epoch, rev=rev, site=place, **fields)

    def schedule(self, *meetings: Json, rev: int = 1, epoch: int = 1) -> None:
        until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
        self.say(
            Channel.DESIRED_SCHEDULE, retain=True, epoch=epoch, rev=rev, until=until, meetings=list(meetings)
        )

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def meeting(id: str = "m1", opens_s: float = 0, **more: Any) -> Json:
    """A meeting that opens in `opens_s` seconds and lasts an hour."""
    start = datetime.now(UTC) + timedelta(seconds=opens_s)
    return {
        "id": id,
        "title": "Giao ban tuần",
        "opens_at": start.isoformat(),
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=1)).isoformat(),
        "cap_at": (start + timedelta(hours=2)).isoformat(),
        "main_site": "trung-tam",
        "main_site_name": "Điểm cầu trung tâm",
        "join": {"url": f"wss://{ADDRESS}:1", "room": "r1", "pin": "123456"},
        **more,
    }


class UnitProcess:
    """A real unit process with the test's screen and media processes, unless `command` says otherwise."""

    command: tuple[str, ...]

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        *,
        restart: bool = True,
        mqtt: str = "3.1.1",
        admitted: bool = True,
    ) -> None:
        self.folder = folder
        if not hasattr(self, "command"):
            children = [str(CHILDREN / "screen.py"), str(CHILDREN / "media.py"), str(restart)]
            self.command = (sys.executable, "-c", RUN, *children)
        self.state = folder / "state"
        self.unit = authority.new_unit_identity(self.state / "identity", ADDRESS, PORT)
        if admitted:
            admit(authority, self.unit)
        coordinator = self.state / "identity" / "coordinator.json"
        coordinator.write_text(json.dumps({**json.loads(coordinator.read_text()), "mqtt_protocol": mqtt}))

    def start(self) -> None:
        self.log = (self.folder / "unit.log").open("a")
        self.process = subprocess.Popen(
            [*self.command, str(self.state)],
            env={**os.environ, "UNIT_TEST": str(self.folder)},
            stderr=self.log,
        )

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 6) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `diemcau-agent` with this state folder."""
        command = [sys.executable, "-m", "diemcau_agent.cli", *arguments, "--state-dir", str(self.state)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def status(self) -> Json:
        found = self.cli("status", "--json")
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)

    def attends(self) -> bool:
        """True once it runs and is in a meeting."""
        return self.cli("status").returncode == 0 and self.status()["session"]["state"] == "in_meeting"

    def pid(self, role: str) -> int | None:
        return next((p["pid"] for p in self.status()["processes"] if p["role"] == role), None)

    def told(self, who: str) -> list[Json]:
        """What `screen` or `media` was told."""
        path = self.folder / f"{who}.told"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def ask(self, fault: str) -> None:
        (self.folder / fault).touch()

    def logged(self) -> list[Json]:
        return [json.loads(line) for line in (self.folder / "unit.log").read_text().splitlines()]


class WholeUnit(UnitProcess):
    """The real unit and media processes, with a screen that takes notes."""

    command = (
        sys.executable,
        "-c",
        RUN,
        str(CHILDREN / "screen.py"),
        str(CHILDREN / "real_media.py"),
        "True",
    )
