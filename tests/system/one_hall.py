"""The coordinator's services and one hall's unit, for tests that do bad things to them."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.config import StateDir
from diemcau_controller.demo.halls import MAIN, halls
from diemcau_controller.demo.network import Network
from diemcau_controller.demo.stage import Stage
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import Channel, topic
from paho.mqtt.enums import CallbackAPIVersion

from tests.system.hall_senses import ask_unit

BIN = Path(sys.executable).parent
PATIENCE_S = 60.0
Json = dict[str, Any]


def until(what: Callable[[], Any], seconds: float = 20, why: str = "not in time") -> Any:
    """Wait until `what` gives something true, and give that."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.05)
    return found


def private_bytes(pid: int) -> int:
    """Memory that only this process has (USS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


class OneHall:
    """What runs, and how tests talk to it."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.site = stage, MAIN
        self.folder = stage.root
        self.state = StateDir(stage.root)
        contact = json.loads(self.state.contact.read_text())
        self.mqtt_port = int(contact["mqtt_port"])
        tls = ssl.create_default_context(cafile=str(self.state.ca_certificate))
        self.http = httpx.Client(
            base_url=contact["url"],
            verify=tls,
            headers={"Authorization": f"Bearer {stage.api.token}"},
            timeout=20,
            trust_env=False,
        )
        self.unit: str = stage.api.get(f"/api/v1/sites/{MAIN}")["unit"]["id"]
        self.unit_folder = stage.unit_folder(MAIN)

    # ── programs ─────────────────────────────────────────────────────────────────────────────────

    def diemcau(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `diemcau` with this state folder."""
        return run("diemcau", *arguments, "--state-dir", str(self.folder))

    def agent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `diemcau-agent` with the unit's state folder."""
        return run("diemcau-agent", *arguments, "--state-dir", str(self.unit_folder))

    def unit_status(self) -> Json:
        """What the unit says of itself, as its command line asks it."""
        status = ask_unit(self.unit_folder, {"type": "status"})
        assert "processes" in status, status
        return dict(status)

    def unit_pid(self, role: str = "unit") -> int:
        return int(next(p["pid"] for p in self.unit_status()["processes"] if p["role"] == role))

    def pid(self, name: str) -> int | None:
        """Of mosquitto, janus or the controller."""
        found = json.loads((self.folder / "run/launcher.json").read_text())
        pid: int | None = found["children"][name]["pid"]
        return pid

    def health(self) -> Json:
        return dict(self.http.get("/healthz").json())

    def known_unit(self) -> Json:
        """The unit as the controller knows it."""
        return dict(self.http.get(f"/api/v1/units/{self.unit}").raise_for_status().json())

    # ── the broker ───────────────────────────────────────────────────────────────────────────────

    def as_controller(self) -> paho.Client:
        """A client with the controller's certificate."""
        return self._client(*Authority(self.state.authority).client_files("controller"))

    def as_unit(self) -> paho.Client:
        """A client with the unit's certificate, beside the unit."""
        identity = self.unit_folder / "identity"
        return self._client(identity / "unit.key", identity / "unit.crt")

    def retained(self, *channels: Channel) -> dict[Channel, Json]:
        """What the broker keeps on these channels of the unit."""
        found: dict[Channel, Json] = {}
        client = self.as_controller()
        client.on_message = lambda _client, _data, message: found.update(
            {Channel(message.topic.split("/", 3)[3]): json.loads(message.payload)}
        )
        client.subscribe([(topic(self.unit, channel), 1) for channel in channels])
        until(lambda: len(found) == len(channels))
        client.disconnect()
        client.loop_stop()
        return found

    def _client(self, key: Path, certificate: Path) -> paho.Client:
        tls = ssl.create_default_context(cafile=str(self.state.ca_certificate))
        tls.load_cert_chain(certificate, key)
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.tls_set_context(tls)
        client.max_inflight_messages_set(500)
        client.connect(ADDRESS, self.mqtt_port)
        client.loop_start()
        until(client.is_connected)
        return client


class RealCommands:
    """Pings through the API all along; `took_s` says how long each answer took, `failed` what went wrong."""

    def __init__(self, hall: OneHall, every_s: float = 0.1) -> None:
        self._hall, self._every_s = hall, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.took_s: list[float] = []
        self.failed: list[str] = []

    def __enter__(self) -> RealCommands:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        path = f"/api/v1/units/{self._hall.unit}/commands"
        while not self._stop.wait(self._every_s):
            began = time.monotonic()
            try:
                answer = self._hall.http.post(path, json={"verb": "ping"})
            except httpx.HTTPError as error:
                self.failed.append(repr(error))
                continue
            self.took_s.append(time.monotonic() - began)
            if answer.status_code != 200 or answer.json()["ok"] is not True:
                self.failed.append(answer.text[:200])


def run(program: str, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run one of the programs to its end."""
    return subprocess.run(
        [str(BIN / program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        **more,
    )


@contextmanager
def one_hall(root: Path, *, unit: bool = True) -> Iterator[OneHall]:
    """Services and one site, with a unit that runs its configuration unless `unit` is False."""
    with staged(root, 1) as stage:
        if unit:
            stage.start_units(time.monotonic() + PATIENCE_S)
        with talking(stage) as hall:
            yield hall


@contextmanager
def staged(root: Path, sites: int) -> Iterator[Stage]:
    """Services and so many sites, whose units do not run yet."""
    page = socket.create_server(("127.0.0.1", 0))
    with page, Stage(root, halls({}, {})[:sites], Network(ADDRESS, page), ()) as stage:
        stage.start_services(time.monotonic() + PATIENCE_S)
        stage.add_sites()
        yield stage


@contextmanager
def talking(stage: Stage) -> Iterator[OneHall]:
    """The first hall of a stage."""
    hall = OneHall(stage)
    try:
        yield hall
    finally:
        hall.http.close()
