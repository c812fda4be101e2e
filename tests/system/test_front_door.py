"""A unit is locked out while it is in a meeting: its lines die, and its key opens nothing from outside.

The real Mosquitto, nginx, porter, Janus, controller and agent. A thief holds a copy of the unit's state
folder taken before, and lines that were open before.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.janus import JanusRefused, VideoRooms
from diemcau_controller.kept_secret import kept_secret
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import Channel, filters_of_unit, topic
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from .one_hall import OneHall, one_hall, until

pytestmark = pytest.mark.namespace

CUT_S = 5.0


class Keys:
    """Somebody with a key, a certificate and the addresses of the services."""

    def __init__(self, hall: OneHall, key: Path | None = None, certificate: Path | None = None) -> None:
        self.hall = hall
        self.tls = ssl.create_default_context(cafile=str(hall.state.ca_certificate))
        if key is not None and certificate is not None:
            self.tls.load_cert_chain(certificate, key)
        self.url = hall.stage.api.url
        self.http = httpx.Client(base_url=self.url, verify=self.tls, trust_env=False, timeout=10)

    def janus(self, url: str = "", **headers: str) -> ClientConnection:
        """An open WebSocket to Janus, with a session in it. Raises InvalidStatus."""
        line = connect(
            url or f"{self.url.replace('https', 'wss')}/janus",
            ssl=self.tls,
            subprotocols=[Subprotocol("janus-protocol")],
            additional_headers=headers,
            proxy=None,
            legacy=True,
        )
        assert ask(line, {"janus": "create"})["janus"] == "success"
        return line

    def refused_at_janus(self, url: str = "", **headers: str) -> int:
        with pytest.raises(InvalidStatus) as refused:
            self.janus(url, **headers)
        assert json.loads(refused.value.response.body or b"{}").get("detail"), "not a word of why"
        return refused.value.response.status_code

    def mqtt(self, will: str | None = None) -> Broker:
        return Broker(self, will)


class Broker:
    """A connection to the broker and what it was told there."""

    def __init__(self, keys: Keys, will: str | None) -> None:
        self.granted: list[bool] = []
        self.heard: list[str] = []
        self.answers: list[bool] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self.client.tls_set_context(keys.tls)
        if will is not None:
            self.client.will_set(will, "{}", 1, retain=True)
        self.client.on_connect = lambda _c, _d, _f, reason, _p: self.answers.append(not reason.is_failure)
        self.client.on_subscribe = lambda _c, _d, _m, reasons, _p: self.granted.extend(
            not reason.is_failure for reason in reasons
        )
        self.client.on_message = lambda _c, _d, message: self.heard.append(message.topic)
        self.client.connect(ADDRESS, keys.hall.mqtt_port)
        self.client.loop_start()
        until(lambda: self.answers or not self.client.is_connected())

    def subscribe(self, *names: str) -> list[bool]:
        """What was granted of each."""
        self.granted.clear()
        self.client.subscribe([(name, 1) for name in names])
        until(lambda: len(self.granted) == len(names), 5)
        return self.granted

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def ask(line: ClientConnection, request: dict[str, Any]) -> dict[str, Any]:
    line.send(json.dumps({**request, "transaction": "t"}))
    while (answer := json.loads(line.recv(5))).get("transaction") != "t":
        pass
    return dict(answer)


def over(line: ClientConnection) -> bool:
    try:
        line.recv(0.01)
    except ConnectionClosed:
        return True
    except TimeoutError:
        pass
    return False


def senders(hall: OneHall, room: str) -> list[str]:
    """Who sends in a room, as Janus says."""

    async def look() -> list[str]:
        rooms = VideoRooms(hall.state.janus_socket, kept_secret(hall.state.janus_admin_key))
        try:
            return await rooms.participants(room)
        finally:
            await rooms.close()

    return asyncio.run(look())


def taken_s(since: float, what: Callable[[], bool]) -> float:
    until(what, CUT_S - (time.monotonic() - since), "not cut in time")
    return time.monotonic() - since


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHall]:
    with one_hall(tmp_path_factory.mktemp("hall")) as made:
        yield made


@pytest.fixture(scope="module")
def copy(hall: OneHall, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unit's identity as somebody copied it while it served its site."""
    where = tmp_path_factory.mktemp("thief") / "identity"
    shutil.copytree(hall.unit_folder / "identity", where)
    return where


@pytest.fixture(scope="module")
def thief(hall: OneHall, copy: Path) -> Keys:
    return Keys(hall, copy / "unit.key", copy / "unit.crt")


def test_strangers_are_refused_with_a_sentence(hall: OneHall, tmp_path: Path) -> None:
    nobody = Keys(hall)
    forged = {"X-Client-Verify": "SUCCESS", "X-Client-Subject": f"CN={hall.unit}", "X-Client-Serial": "01"}
    assert nobody.refused_at_janus() == nobody.refused_at_janus(**forged) == 403
    picture = f"/api/v1/units/{hall.unit}/picture"
    token = json.loads((hall.unit_folder / "desired/config.json").read_bytes())["upload"]["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    answer = nobody.http.put(picture, content=b"\x89PNG", headers=bearer | forged)
    assert answer.status_code == 403 and "certificate" in answer.json()["detail"]
    assert nobody.http.get("/healthz", headers=forged).status_code == 200, "the headers are nginx's alone"

    other = Authority(tmp_path / "other")
    other.ensure()
    foreign = Keys(hall, *other.client_files(hall.unit))
    answer = foreign.http.get("/healthz")
    assert answer.status_code == 403 and "not one of ours" in answer.json()["detail"]
    with pytest.raises(InvalidStatus) as refused:
        foreign.janus()
    assert refused.value.response.status_code == 403
    try:
        answers = foreign.mqtt().answers  # with TLS 1.3 the refusal comes after the handshake
    except OSError:
        answers = []
    assert not answers


def test_a_browser_comes_with_a_ticket(hall: OneHall) -> None:
    occurrence = hall.stage.add_meeting("Họp thử", 3600, 600, opens_before_s=60)
    info = hall.http.get(f"/api/v1/meetings/{occurrence}/join-info").json()
    Keys(hall).janus(info["url"]).close()
    assert Keys(hall).refused_at_janus(info["url"] + "x") == 403
    without = info["url"].partition("?")[0]
    forged = {"X-Client-Verify": "SUCCESS", "X-Client-Subject": f"CN={hall.unit}", "X-Client-Serial": "01"}
    assert Keys(hall).refused_at_janus(without) == Keys(hall).refused_at_janus(without, **forged) == 403
    place = without.replace("wss", "https").removesuffix("/janus")
    assert hall.http.get(place + "/healthz").status_code == 404, "there is nothing else at that port"


def test_porter_and_nginx_come_back_when_they_die(hall: OneHall) -> None:
    for name in ("porter", "nginx"):
        pid = hall.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda name=name, pid=pid: hall.pid(name) not in (None, pid))
    unit = Keys(hall, hall.unit_folder / "identity/unit.key", hall.unit_folder / "identity/unit.crt")

    def open_again() -> ClientConnection | None:
        try:
            return unit.janus()
        except (OSError, InvalidStatus):
            return None

    until(open_again).close()


def test_a_revoked_certificate_of_a_unit_that_is_bound(hall: OneHall, thief: Keys) -> None:
    line = thief.janus()
    assert thief.http.get("/healthz").status_code == 200
    database = sqlite3.connect(hall.state.database, timeout=10, isolation_level=None)
    revoke = "UPDATE certificate SET revoked_at = {} WHERE unit_id = ?"
    changed = database.execute(revoke.format("datetime()"), (hall.unit,)).rowcount
    assert changed == 1
    try:
        until(lambda: over(line), CUT_S)
        answer = thief.http.get("/healthz")
        assert answer.status_code == 403 and "/enrol/v1/identity" in answer.json()["detail"]
        assert thief.refused_at_janus() == 403
    finally:
        database.execute(revoke.format("NULL"), (hall.unit,))
        database.close()
    thief.janus().close()


def test_a_unit_locked_out_in_the_middle_of_a_meeting(hall: OneHall, thief: Keys, copy: Path) -> None:
    unit = hall.unit
    occurrence = hall.stage.add_meeting("Giao ban", 1, 1200, opens_before_s=60)
    until(lambda: hall.unit_status()["session"]["state"] == "in_meeting", 40, "the hall is not in")
    info = hall.http.get(f"/api/v1/meetings/{occurrence}/join-info").json()
    until(lambda: senders(hall, info["room"]) == [hall.site])
    line, mqtt = thief.janus(), thief.mqtt()
    assert mqtt.subscribe(topic(unit, Channel.DESIRED_SCHEDULE)) == [True]
    until(lambda: mqtt.heard)
    assert (
        mqtt.subscribe(topic("uffffffffffff", Channel.DESIRED_SCHEDULE), f"dc/v1/{unit}/#", "#")
        == [False] * 3
    )

    began = time.monotonic()
    hall.http.post(f"/api/v1/units/{unit}/revoke", json={"reason": "bị mất"}).raise_for_status()
    cut = {
        "broker": taken_s(began, lambda: not mqtt.client.is_connected()),
        "Janus line": taken_s(began, lambda: over(line)),
        "picture in the room": taken_s(began, lambda: senders(hall, info["room"]) == []),
        "the unit's own line": taken_s(began, lambda: hall.known_unit()["status"] != "online"),
    }
    print("cut after", {what: round(seconds, 2) for what, seconds in cut.items()})
    assert max(cut.values()) <= CUT_S

    # The PIN it knew is another one, in Janus, too.
    fresh = hall.http.get(f"/api/v1/meetings/{occurrence}/join-info").json()
    assert fresh["pin"] != info["pin"]
    until(lambda: not lets_in(hall, info), 15, "the room takes the old PIN")
    assert lets_in(hall, fresh)

    # From outside, with the copy: nothing.
    again = thief.mqtt()
    assert again.answers != [True] or again.subscribe(*filters_of_unit(unit)) == [False] * 5
    controller = hall.as_controller()
    said: list[str] = []
    controller.on_message = lambda _c, _d, message: said.append(message.topic)
    controller.subscribe(f"dc/v1/{unit}/event", 1)
    for name in (topic(unit, Channel.EVENT), topic(unit, Channel.STATE), "$CONTROL/dynamic-security/v1"):
        again.client.publish(name, b"{}", 1)
    time.sleep(0.5)
    assert not said and not again.heard
    for client in (again.client, controller):
        client.disconnect()
        client.loop_stop()
    assert thief.mqtt(will=topic(unit, Channel.STATE)).answers in ([False], [])
    answer = thief.http.get("/")
    assert answer.status_code == 403 and answer.json()["code"] == "units.locked_out"
    picture = thief.http.put(f"/api/v1/units/{unit}/picture", content=b"\x89PNG")
    assert picture.status_code == 403
    assert thief.refused_at_janus() == 403
    assert thief.http.post("/enrol/v1/challenge").status_code == 200, "it may ask what became of it"


def lets_in(hall: OneHall, info: dict[str, Any]) -> bool:
    """Does the room take this PIN?"""

    async def enter() -> bool:
        rooms = VideoRooms(hall.state.janus_socket, kept_secret(hall.state.janus_admin_key))
        watching = rooms.watch(info["room"], info["pin"])
        try:
            async with asyncio.timeout(1):
                await anext(watching)
        except TimeoutError:
            return True
        except JanusRefused:
            return False
        finally:
            await watching.aclose()  # type: ignore[attr-defined]
            await rooms.close()
        return True

    return asyncio.run(enter())
