"""The background services: what units say and hear through Mosquitto, and the floor kept in a room."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest
from diemcau_controller.actions.add_meeting import add_meeting
from diemcau_controller.actions.add_site import add_site
from diemcau_controller.actions.change_floor import FloorVerb, change_floor
from diemcau_controller.actions.meeting_spec import MeetingSpec
from diemcau_controller.actions.site_spec import SiteSpec
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.janus import JanusLost, RoomEvent, RoomSpec
from diemcau_controller.adapters.mosquitto_config import write_mosquitto_config
from diemcau_controller.app import opened
from diemcau_controller.config import Settings, StateDir
from diemcau_controller.namespace import ADDRESS
from diemcau_controller.rules.actor import SYSTEM
from diemcau_controller.services.floor_keeper import FloorKeeper
from diemcau_wire import Channel, address, encode, filters_of_unit
from diemcau_wire.messages import Ack, Event, EventKind, Message, Presence, State
from paho.mqtt.enums import CallbackAPIVersion

pytestmark = pytest.mark.namespace

WEB, MQTT, JANUS = 28443, 28883, 28988


class Coordinator:
    """A broker and a controller process; Janus is away all the time."""

    def __init__(self, folder: Path) -> None:
        self.state = StateDir(folder / "state")
        self.state.make()
        self._config = folder / "diemcau.toml"
        self._config.write_text(
            f'public_address = "{ADDRESS}"\n[web]\nport = {WEB}\n[mqtt]\nhost = "{ADDRESS}"\nport = {MQTT}\n'
            f"[janus]\nport = {JANUS}\n"
        )
        self.authority = Authority(self.state.authority)
        self.authority.ensure()
        server = self.authority.server_certificate(["localhost"], ["127.0.0.1", ADDRESS], files="services")
        self._broker_config = write_mosquitto_config(
            folder / "mosquitto", authority=self.authority, server=server, addresses=[ADDRESS], port=MQTT
        )
        self.rights = folder / "mosquitto" / "dynamic-security.json"
        self.start_broker()
        self.start_controller()
        self.front_door = self._start("nginx")
        tls = ssl.create_default_context(cafile=str(self.authority.ca_path))
        self.http = httpx.Client(base_url=f"https://127.0.0.1:{WEB}/api/v1", verify=tls, timeout=30)
        try:
            self.until(lambda: self.healthy()["mqtt"], 60)
        except AssertionError:
            self.end()
            raise
        token = self.state.local_token.read_text().strip()
        self.http.headers["Authorization"] = f"Bearer {token}"

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "diemcau_controller.cli", "serve", "--only", name]
        argv += ["--state-dir", str(self.state.root), "--config", str(self._config)]
        with (self.state.logs / "launcher.log").open("ab") as log:
            return subprocess.Popen(argv, stderr=log)

    def start_broker(self) -> None:
        argv = ["/usr/sbin/mosquitto", "-c", str(self._broker_config)]
        self.broker = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start_controller(self) -> None:
        argv = [sys.executable, "-m", "diemcau_controller.app", "--state-dir", str(self.state.root)]
        with (self.state.logs / "controller.log").open("ab") as log:
            self.controller = subprocess.Popen([*argv, "--config", str(self._config)], stderr=log)

    def healthy(self) -> dict[str, Any]:
        with suppress(httpx.HTTPError, ValueError):  # nginx says in a page that nobody is behind it
            return dict(self.http.get("/../../healthz").json())
        return {"mqtt": False}

    def until(self, what: Callable[[], Any], seconds: float = 20) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, (self.state.logs / "controller.log").read_text()[-2000:]
            time.sleep(0.05)
        return found

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        return self.http.get(path).json()

    def end(self) -> None:
        for process in (self.controller, self.broker, self.front_door):
            process.kill()
            process.wait()


class Hall:
    """A unit that says what the test wants, and keeps what it hears."""

    def __init__(self, office: Coordinator, folder: Path) -> None:
        self.unit = office.authority.new_unit_identity(folder, ADDRESS, MQTT)
        office.post("/units", id=self.unit, site="a")
        office.until(lambda: self.unit in office.rights.read_text())
        self.heard: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._connected = threading.Event()
        tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        tls.load_cert_chain(folder / "unit.crt", folder / "unit.key")
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.unit)
        self.client.tls_set_context(tls)
        self.client.on_connect = self._subscribe
        self.client.on_message = self._keep
        self.client.on_subscribe = lambda *_: self._connected.set()
        self.client.connect_async(ADDRESS, MQTT)
        self.client.reconnect_delay_set(1, 1)
        self.client.loop_start()
        assert self._connected.wait(10)

    def _subscribe(self, client: paho.Client, *_: Any) -> None:
        client.subscribe([(name, 1) for name in filters_of_unit(self.unit)])

    def _keep(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        channel = message.topic.split("/", 3)[3]
        if channel in ("cmd", "receipt", "floor", "desired/config", "desired/schedule"):
            self.heard[channel].append(json.loads(message.payload))
        if channel == "cmd":
            command = json.loads(message.payload)
            ack = Ack(unit=self.unit, id=command["id"], ok=True, at=datetime.now(UTC))
            self.say(ack, Channel.ACK)

    def say(self, message: Message, channel: Channel) -> None:
        self.client.publish(address(message, channel), encode(message), 1)

    def event(self, seq: int) -> Event:
        return Event(
            id=f"{self.unit}:s:{seq}",
            unit=self.unit,
            boot_id="b",
            stream="s",
            seq=seq,
            at=datetime.now(UTC),
            kind=EventKind.BOOTED,
            site="a",
        )

    def receipt(self) -> int:
        return max((one["streams"]["s"] for one in self.heard["receipt"]), default=0)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Coordinator]:
    made = Coordinator(tmp_path)
    yield made
    made.end()


def test_a_unit_is_heard_and_told_through_every_restart(office: Coordinator, tmp_path: Path) -> None:
    office.post("/sites", id="a", name="Xã A")
    hall = Hall(office, tmp_path / "unit")
    start = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    made = office.post("/meetings", title="Họp", starts_at=start, duration_s=600, main_site="a")
    office.until(lambda: hall.heard["desired/config"] and hall.heard["desired/schedule"])

    online = {"status": Presence.ONLINE, "boot_id": "b", "version": "1", "at": datetime.now(UTC)}
    hall.say(State(unit=hall.unit, nonce="n1", **online), Channel.STATE)  # type: ignore[arg-type]
    office.until(lambda: office.get("/sites/a")["unit"]["status"] == "online")
    for seq in (1, 2, 2, 3):
        hall.say(hall.event(seq), Channel.EVENT)
    office.until(lambda: hall.receipt() == 3)
    assert office.post(f"/units/{hall.unit}/commands", verb="ping")["ok"]

    # Garbage beside it is refused and harms nothing.
    for number in range(300):
        hall.client.publish(f"dc/v1/{hall.unit}/event", b"{" * (number % 50), 1)
        hall.client.publish(f"dc/v1/{hall.unit}/state", json.dumps({"v": 1, "unit": "other"}), 1)
    assert office.post(f"/units/{hall.unit}/commands", verb="ping")["ok"]

    # The broker dies: what it has forgotten is told anew, what comes meanwhile is not lost.
    hall.heard.clear()
    office.broker.kill()
    office.broker.wait()
    for file in (tmp_path / "mosquitto" / "store").glob("*"):
        file.unlink()
    time.sleep(0.5)
    office.start_broker()
    office.until(lambda: hall.heard["desired/schedule"] and hall.heard["floor"], 40)
    office.until(lambda: (hall.say(hall.event(4), Channel.EVENT), hall.receipt() == 4)[1])

    # The controller dies: after it is back, everything stands as before.
    os.kill(office.controller.pid, signal.SIGKILL)
    office.controller.wait()
    hall.say(hall.event(5), Channel.EVENT)
    hall.heard.clear()
    office.start_controller()
    office.until(lambda: office.healthy()["mqtt"])
    for seq in (4, 5, 6):  # the unit's outbox sends what has no receipt
        hall.say(hall.event(seq), Channel.EVENT)
    office.until(lambda: hall.receipt() == 6)
    events = office.get("/events?limit=1000")
    assert Counter(event["seq"] for event in events) == Counter(range(1, 7))
    floor = office.post(f"/meetings/{made['id']}/floor", verb="mute-all")
    office.until(lambda: [one for one in hall.heard["floor"] if one["seq"] == floor["seq"]])

    # It ends in order when told to.
    office.controller.terminate()
    assert office.controller.wait(10) == 0
    hall.close()


def test_news_are_streamed(office: Coordinator) -> None:
    with office.http.stream("GET", "/stream", timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        next(lines)
        office_two = httpx.Client(
            base_url=office.http.base_url,
            verify=office.http._transport._pool._ssl_context,  # type: ignore[attr-defined]
            headers=office.http.headers,
        )
        assert office_two.post("/sites", json={"name": "Xã B"}).status_code == 201
        assert any(line == 'data: {"site": "xa-b"}' for line in lines if line)


def test_a_broken_configuration_is_one_sentence(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "diemcau_controller.app", "--state-dir", str(tmp_path / "other")]
    broken = tmp_path / "broken.toml"
    for text, words in (
        ("[web]\nport = 99999\n", "wrong web.port"),
        ("[web\n", "line 1"),
        ("colour = 1\n", "nobody knows: colour"),
        ('timezone = "Mars"\n', "wrong timezone"),
    ):
        broken.write_text(text)
        done = subprocess.run([*argv, "--config", str(broken)], capture_output=True, text=True, timeout=90)
        last = done.stderr.strip().splitlines()[-1]
        assert done.returncode == 1 and words in last and last.startswith("diemcau: "), done.stderr


# ── the floor kept ───────────────────────────────────────────────────────────────────────────────


class FakeRooms:
    """Janus's rooms as the floor keeper uses them: feeds come and go, Janus can be lost."""

    def __init__(self) -> None:
        self.muted: dict[str, bool] = {}
        self.told: list[tuple[str, bool]] = []
        self.made = 0
        self._events: asyncio.Queue[RoomEvent | None] = asyncio.Queue()

    def publish(self, feed: str) -> None:
        self.muted[feed] = False
        self._events.put_nowait(RoomEvent("published", feed))

    def lose(self) -> None:
        self._events.put_nowait(None)

    async def create(self, spec: RoomSpec) -> None:
        self.made += 1

    async def moderate(self, room_id: str, secret: str, feed: str, muted: bool) -> bool:
        self.told.append((feed, muted))
        self.muted[feed] = muted
        return True

    async def watch(self, room_id: str, pin: str) -> AsyncIterator[RoomEvent]:
        for feed in list(self.muted):
            yield RoomEvent("published", feed)
        while (event := await self._events.get()) is not None:
            yield event
        self._events = asyncio.Queue()
        self.muted = dict.fromkeys(self.muted, False)
        raise JanusLost("gone")


def test_who_has_not_the_floor_is_muted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(Settings(), StateDir(tmp_path)) as controller:
            for site in "abc":
                await add_site(controller, SYSTEM, SiteSpec(id=site, name=site))
            spec = MeetingSpec(title="Họp", starts_at=datetime.now(UTC), duration_s=60, main_site="a")
            meeting = await add_meeting(controller, SYSTEM, spec)
            rooms = FakeRooms()
            keeper = asyncio.create_task(FloorKeeper(controller, rooms).run())  # type: ignore[arg-type]

            async def becomes(**expected: bool) -> None:
                async with asyncio.timeout(10):
                    while rooms.muted != expected:  # noqa: ASYNC110 - somebody else's state
                        await asyncio.sleep(0.01)

            for feed in ("a", "b", "stranger"):
                rooms.publish(feed)
            await becomes(a=False, b=True, stranger=True)
            assert list(controller.in_room.values()) == [{"a", "b", "stranger"}]
            rooms.told.clear()
            await change_floor(controller, SYSTEM, meeting, FloorVerb.GRANT, "b")
            await becomes(a=True, b=False, stranger=True)
            assert rooms.told == [("a", True), ("b", False)], "first who falls silent, then who is heard"
            await change_floor(controller, SYSTEM, meeting, FloorVerb.MUTE_ALL)
            await becomes(a=True, b=True, stranger=True)
            await change_floor(controller, SYSTEM, meeting, FloorVerb.GRANT, "c")
            rooms.publish("c")
            await becomes(a=True, b=True, c=False, stranger=True)
            rooms.publish("b")  # back after a drop, and so unmuted
            await becomes(a=True, b=True, c=False, stranger=True)
            made = rooms.made
            rooms.lose()
            await asyncio.sleep(0.05)
            await becomes(a=True, b=True, c=False, stranger=True)
            assert rooms.made == made + 1, "the room is made sure of again"
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    asyncio.run(scenario())
