"""The controller is lost. With the backup and its key every hall returns, and the past is over."""

from __future__ import annotations

import json
import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.config import StateDir
from diemcau_controller.demo.api import Api
from diemcau_controller.demo.processes import Process
from diemcau_controller.demo.stage import Stage
from diemcau_controller.namespace import ADDRESS
from diemcau_controller.programs import LISTEN_FD
from diemcau_wire import Channel, topic
from paho.mqtt.enums import CallbackAPIVersion

from tests.system.hall_senses import ask_unit, pending
from tests.system.one_hall import BIN, PATIENCE_S, run, staged, until

Json = dict[str, Any]


@contextmanager
def broker(state: StateDir) -> Iterator[paho.Client]:
    """The broker, with the controller's own rights."""
    contact = json.loads(state.contact.read_text())
    authority = Authority(state.authority)
    key, certificate = authority.client_files("controller")
    tls = ssl.create_default_context(cafile=str(state.ca_certificate))
    tls.load_cert_chain(certificate, key)
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.tls_set_context(tls)
    client.connect(ADDRESS, int(contact["mqtt_port"]))
    client.loop_start()
    until(client.is_connected)
    yield client
    client.disconnect()
    client.loop_stop()


def captured_command(stage: Stage, state: StateDir, unit: str) -> bytes:
    """What somebody who listened wrote down: a command as it travelled, and it was obeyed."""
    caught: list[bytes] = []
    with broker(state) as client:
        client.on_message = lambda _client, _data, message: caught.append(message.payload)
        client.subscribe(topic(unit, Channel.CMD), 1)
        time.sleep(0.5)
        assert stage.api.post(f"/api/v1/units/{unit}/commands", {"verb": "ping"})["ok"]
        until(lambda: caught)
    return caught[0]


def bound(stage: Stage) -> dict[str, tuple[str, int]]:
    """Which unit serves which site, with which epoch."""
    sites = stage.api.get("/api/v1/sites")
    return {site["id"]: (site["unit"]["id"], site["unit"]["epoch"]) for site in sites}


def identity(stage: Stage) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for hall in stage.halls
        for path in sorted((stage.unit_folder(hall.id) / "identity").rglob("*"))
        if path.is_file() and path.name != "join_count"  # counts connections
    }


def connected(stage: Stage) -> bool:
    """Every unit is back: at the broker, with the documents that are meant for it."""
    with suppress(KeyError, TypeError):
        return stage.units_ready()
    return False


def restart_unit(stage: Stage, site: str) -> None:
    """It begins anew, and says so in an event."""
    process = stage.units[site]._process
    process.terminate()
    process.wait(20)


def booted(stage: Stage, unit: str) -> int:
    return sum(one["kind"] == "booted" for one in stage.api.get("/api/v1/events", unit=unit, limit=1000))


@pytest.mark.namespace
def test_every_hall_returns_and_a_captured_command_is_refused(tmp_path: Path) -> None:
    with staged(tmp_path / "lost", 3) as stage:
        lost = StateDir(stage.root)
        stage.start_units(time.monotonic() + PATIENCE_S)
        before, own = bound(stage), identity(stage)
        site, (unit, _) = next(iter(before.items()))
        stage.api.post("/api/v1/incidents", {"site": site, "kind": "other", "title": "Loa rè"})

        key = tmp_path / "diemcau.key"
        public = run("diemcau", "backup", "key", str(key)).stdout.strip()
        to = ("--to", str(tmp_path / "backups"), "--recipient", public, "--json")
        done = run("diemcau", "backup", "now", *to, "--state-dir", str(lost.root))
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        until(lambda: pending(stage.unit_folder(site)) == 0)

        # After the backup: an event that gets a receipt, a command that somebody writes down.
        count = booted(stage, unit)
        restart_unit(stage, site)
        stage.wait(
            "no event of the restart", lambda: booted(stage, unit) > count, time.monotonic() + PATIENCE_S
        )
        until(lambda: pending(stage.unit_folder(site)) == 0)
        stage.wait("the unit did not come back", lambda: connected(stage), time.monotonic() + PATIENCE_S)
        captured = captured_command(stage, lost, unit)

        config = lose(stage, lost)
        began = time.monotonic()
        folder = tmp_path / "restored"
        done = run(
            "diemcau", "restore", made["path"], "--key", str(key), "--state-dir", str(folder), "--json"
        )
        assert done.returncode == 0, done.stderr
        restored = json.loads(done.stdout)
        assert restored["generation"] == 2 and restored["audit_whole"]
        assert Path(restored["settings"]).read_bytes() == config
        took_s = {"restored": time.monotonic() - began}
        state = StateDir(folder)
        start(stage, state, restored["settings"])
        stage.wait("the services did not come back", stage.api.ready, time.monotonic() + 2 * PATIENCE_S)
        took_s["services"] = time.monotonic() - began
        stage.wait("not every hall came back", lambda: connected(stage), time.monotonic() + 2 * PATIENCE_S)
        took_s["halls"] = time.monotonic() - began
        print("seconds after the restore began:", {what: round(s, 1) for what, s in took_s.items()})

        assert bound(stage) == before and identity(stage) == own, "untouched"
        assert [one["title"] for one in stage.api.get("/api/v1/incidents")] == ["Loa rè"]
        the_past_is_over(stage, state, unit, site, captured)
        the_gap_is_written_down(stage, unit, site)


def lose(stage: Stage, lost: StateDir) -> bytes:
    """The server dies and takes its folder along; gives the settings it had. The halls go on."""
    services = stage._services
    assert services is not None
    services.ask_to_end()
    services.end(10)
    config = stage._config.read_bytes()
    for path in lost.root.iterdir():
        if path.name not in ("units", "screens", "logs"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert not lost.generated.exists() and not lost.database.exists()
    return config


def start(stage: Stage, state: StateDir, config: str) -> None:
    """`diemcau serve` on the new machine, at the address of the lost one."""
    page = stage.network.page.fileno()
    stage._services = Process(
        "restored",
        [str(BIN / "diemcau"), "serve", "--state-dir", str(state.root), "--config", config],
        state.root / "launcher.log",
        restart=False,
        env={LISTEN_FD: str(page)},
        fds=[page],
    )
    stage.api.close()
    stage.api = Api(stage.api.url, state)


def the_past_is_over(stage: Stage, state: StateDir, unit: str, site: str, captured: bytes) -> None:
    """What was said by the lost controller is refused and counted; what the new one says is obeyed."""
    assert json.loads(captured)["generation"] == 1

    def refused() -> int:
        status = ask_unit(stage.unit_folder(site), {"type": "status"})
        return int(status["refused"].get("generation", 0))

    before = refused()
    with broker(state) as client:
        client.publish(topic(unit, Channel.CMD), captured, 1).wait_for_publish(10)
        until(lambda: refused() == before + 1)
    assert stage.api.post(f"/api/v1/units/{unit}/commands", {"verb": "ping"})["ok"]


def the_gap_is_written_down(stage: Stage, unit: str, site: str) -> None:
    """The next event comes in, though the ones before it are gone for ever."""
    restart_unit(stage, site)

    def told() -> list[Json]:
        found: list[Json] = stage.api.get("/api/v1/audit", action="installation.gap")["changes"]
        return found

    stage.wait("the gap holds up what follows it", lambda: bool(told()), time.monotonic() + PATIENCE_S)
    (gap,) = told()
    assert gap["subject"] == f"unit:{unit}" and gap["after"]["first"] <= gap["after"]["last"]
    until(lambda: pending(stage.unit_folder(site)) == 0)
