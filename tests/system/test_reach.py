"""Work on units that listen on nothing: OpenSSH at both ends, the coordinator's door, `diemcau reach`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from diemcau_agent.tunnel.line import Place, command
from diemcau_controller.actions import reach as reaching
from diemcau_controller.actions.reach import Reached
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.ssh_files import new_key, write_ssh_files
from diemcau_controller.cli import app
from diemcau_controller.cli import reach as reach_command
from diemcau_controller.config import Settings, Tunnel
from diemcau_controller.namespace import ADDRESS
from diemcau_wire.enrolment import Reach
from diemcau_wire.messages import Command, Message, Presence, State, Verb
from diemcau_wire.topics import Channel
from typer.testing import CliRunner

from tests.system.office import Office, on_the_command_line
from tests.system.reached_unit import AS_DAEMON, SSHD, ReachedUnit

pytestmark = pytest.mark.namespace
PORT = 18399


def until(what: Callable[[], bool], seconds: float = 60) -> float:
    """Wait for it; gives how long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


class Scene:
    """An office with its door, and two units on line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.office = Office(folder / "office")
        controller = self.office.controller
        controller.now = lambda: datetime.now(UTC)
        controller.settings = Settings(public_address=ADDRESS, tunnel=Tunnel(port=PORT))
        publish = self.office.post.publish

        def told(message: Message, channel: Channel) -> bool:
            for unit in self.units.values():
                if isinstance(message, Command) and message.unit == unit.unit and message.verb is Verb.REACH:
                    unit.asked(message.args["for_s"])
            return publish(message, channel)

        self.office.post.publish = told  # type: ignore[method-assign]
        self.office.post.answering = controller
        self.units: dict[str, ReachedUnit] = {}
        self.keys = 0
        self.open_door()
        for site in ("ea-kiet", "cu-mgar"):
            self.add(site)

    def open_door(self) -> None:
        state = self.office.state
        Authority(state.authority).ensure()
        assert SSHD is not None
        arguments = ["--state-dir", str(state.root), "--sshd", SSHD, "--listen", f"{ADDRESS}:{PORT}"]
        with (self.folder / "door.log").open("ab") as log:
            self.door = subprocess.Popen(
                [sys.executable, "-m", "diemcau_controller.tunnel", *arguments],
                stderr=log,
                start_new_session=True,
            )
        until(self._door_is_open)

    def _door_is_open(self) -> bool:
        with suppress(OSError), socket.create_connection((ADDRESS, PORT), 1):
            return True
        return False

    def add(self, site: str) -> ReachedUnit:
        """A site with a unit that is on line."""
        self.office.add("sites", id=site, name=f"Xã {site}")
        unit = self.units[site] = ReachedUnit(self.office, site, self.folder / site)
        self.here(unit)
        return unit

    def here(self, unit: ReachedUnit, status: Presence = Presence.ONLINE) -> None:
        said = {"boot_id": "b", "nonce": "n", "version": "1", "epoch": 1, "at": datetime.now(UTC)}
        self.office.hear(State(unit=unit.unit, status=status, **said))

    def reach(self, unit: ReachedUnit, minutes: int = 2) -> Path:
        """Reach it by the API; gives the configuration to log in with."""
        self.keys += 1
        folder = self.folder / f"key-{self.keys}"
        answer = self.office.add(f"units/{unit.unit}/reach", public_key=new_key(folder), minutes=minutes)
        assert answer["user"] == reaching.ACCOUNT
        return write_ssh_files(folder, Reached(**{**answer, "user": "daemon"}))

    def close(self) -> None:
        for unit in self.units.values():
            unit.close()
        self.door.terminate()
        self.door.wait(10)
        self.office.close()


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="diemcau-reach-", dir="/tmp"))  # sockets want short names
    made = Scene(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


def log_in(config: Path, name: str) -> str:
    """Log in under this name of a unit; gives "" when let in, else why not."""
    arguments = ["sftp", "-F", str(config), "-b", "/dev/null", name]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=100)
    return "" if done.returncode == 0 else done.stderr or f"exit {done.returncode}"


def stays(unit: ReachedUnit) -> bool:
    return any(tunnel.poll() is None for tunnel in unit.tunnels)


def hang_up(unit: ReachedUnit) -> None:
    for tunnel in unit.tunnels:
        tunnel.send_signal(signal.SIGTERM)
        tunnel.wait(10)
    assert unit.folder.dialling is not None
    unit.folder.dialling.unlink(missing_ok=True)


def at_the_door(unit: ReachedUnit, how: Reach, *more: str) -> tuple[int, str]:
    """What becomes of OpenSSH's client when the unit says other things than its tunnel service."""
    own = unit.root / "by-hand"
    own.mkdir(exist_ok=True)
    argv = command(how, Place(unit.folder.ssh_key, own, unit.root / "sshd.sock"))
    if more:  # another thing than to have a port passed on
        argv = [word for word in argv if word not in ("-N", "-T")]
        at = argv.index("-R")
        argv = [*argv[:at], *(more[:-1] if len(more) > 1 else ()), *argv[at + 2 :]]
        argv += [] if len(more) > 1 else [more[0]]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL)
    return done.returncode, done.stderr


def test_a_unit_is_reached_through_the_line_it_dials(scene: Scene) -> None:
    unit = scene.units["ea-kiet"]
    config = scene.reach(unit)
    assert log_in(config, unit.unit) == ""
    row = next(row for row in scene.office.get("audit")["changes"] if row["action"] == "unit.reach")
    assert row["subject"] == f"unit:{unit.unit}" and row["after"] == {"minutes": 2}
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True).stdout
    assert f"127.0.0.1:{unit.reach.listen}" in listening and f"{ADDRESS}:{unit.reach.listen}" not in listening


def test_what_opens_one_unit_opens_no_other_and_none_is_taken_for_another(scene: Scene) -> None:
    one, other = scene.units["ea-kiet"], scene.units["cu-mgar"]
    config, to_other = scene.reach(one), scene.reach(other)
    port = f"Port {one.reach.listen}"
    crossed = config.with_name("crossed")
    crossed.write_text(config.read_text().replace(port, f"Port {other.reach.listen}"))
    assert "Host key verification failed" in log_in(crossed, one.unit), "it is another unit that answers"
    stolen = config.with_name("stolen")
    stolen.write_text(
        to_other.read_text().replace(str(to_other.parent / "certificate"), str(config.parent / "certificate"))
        .replace(str(to_other.parent / "key"), str(config.parent / "key"))
    )  # fmt: skip
    assert "Permission denied" in log_in(stolen, other.unit)


def test_a_unit_has_its_own_port_and_nothing_else_at_the_coordinators(scene: Scene) -> None:
    one, other = scene.units["ea-kiet"], scene.units["cu-mgar"]
    hang_up(one)
    hang_up(other)
    for listen in (other.reach.listen, 18444):
        code, said = at_the_door(one, one.reach.model_copy(update={"listen": listen}))
        assert code == 255 and "remote port forwarding failed" in said
    code, said = at_the_door(one, one.reach, "-W", f"127.0.0.1:{PORT}", "")
    assert code == 255 and "administratively prohibited" in said
    for program in ("true", "sftp"):
        code, said = at_the_door(one, one.reach, program)
        assert code == 255, said
    mixed = one.reach.model_copy(update={"certificate": other.reach.certificate})
    assert "Permission denied" in at_the_door(one, mixed)[1], "another's certificate, without its key"
    bare = one.reach.model_copy(update={"certificate": one.asking.identity().ssh_host_certificate})
    assert "Permission denied" in at_the_door(one, bare)[1], "a host's certificate lets nobody in"


def test_an_impostor_is_not_dialled(scene: Scene) -> None:
    unit = scene.units["ea-kiet"]
    foreign = Authority(scene.folder / "foreign")
    foreign.ensure()
    for authority in (foreign.ssh.tunnel_ca(), unit.reach.user_ca):
        code, said = at_the_door(unit, unit.reach.model_copy(update={"coordinator_ca": authority}))
        assert code == 255 and "Host key verification failed" in said


def test_the_line_comes_back_after_the_door_and_ends_when_its_time_is_over(scene: Scene) -> None:
    unit = scene.units["ea-kiet"]
    hang_up(unit)
    config = scene.reach(unit)
    os.killpg(scene.door.pid, signal.SIGKILL)  # as the launcher does with what a program leaves behind
    scene.door.wait()
    until(lambda: log_in(config, unit.unit) != "")
    scene.open_door()
    took_s = until(lambda: log_in(config, unit.unit) == "")
    assert took_s < 30
    hang_up(unit)
    tunnel = unit.asked(3)
    assert tunnel.wait(60) == 0
    until(lambda: log_in(config, unit.unit) != "")


def test_who_is_away_or_does_not_dial_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    unit, key = scene.units["cu-mgar"], new_key(scene.folder / "unused")
    hang_up(unit)
    scene.here(unit, Presence.OFFLINE)
    assert "not connected" in scene.office.refused(409, f"units/{unit.unit}/reach", public_key=key)
    scene.here(unit)
    monkeypatch.setattr(reaching, "_DIALS_WITHIN_S", 0.5)
    monkeypatch.setattr(unit, "asked", lambda for_s: None)
    said = scene.office.refused(409, f"units/{unit.unit}/reach", public_key=key)
    assert "did not within" in said and "tunnel.port" in said
    for wrong in ({"public_key": "ssh-rsa AAAA"}, {"public_key": key, "minutes": 61}):
        scene.office.refused(422, f"units/{unit.unit}/reach", **wrong)
    scene.office.refused(404, "units/u999999999999/reach", public_key=key)


@contextmanager
def listening(unit: ReachedUnit) -> Iterator[str]:
    """It was provisioned with `direct_ssh_port`: its socket listens on a port, too. Gives the address."""
    assert SSHD is not None
    command = [*AS_DAEMON, SSHD, "-i", "-e", "-f", str(unit.root / "sshd_config")]
    logins: list[subprocess.Popen[bytes]] = []
    open_port = socket.create_server((ADDRESS, 0))

    def serve() -> None:
        with suppress(OSError), (unit.root / "sshd.log").open("ab") as log:
            while True:
                line, _ = open_port.accept()
                with line:
                    logins.append(subprocess.Popen(command, stdin=line, stdout=line, stderr=log))

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"{ADDRESS}:{open_port.getsockname()[1]}"
    finally:
        open_port.shutdown(socket.SHUT_RDWR)
        open_port.close()
        for login in logins:
            login.kill()
            login.wait(10)


def test_its_own_address_comes_first_where_the_network_lets_us_in(scene: Scene) -> None:
    unit, other = scene.units["cu-mgar"], scene.units["ea-kiet"]
    hang_up(unit)

    def at(address: str | None) -> None:
        said = scene.office.http.patch("/api/v1/sites/cu-mgar", json={"ssh_address": address})
        assert said.status_code == 200, said.text

    with listening(unit) as address:
        at(address)
        scene.here(unit, Presence.OFFLINE)  # it could not be asked
        config = scene.reach(unit)
        assert f"Port {address.rpartition(':')[2]}" in config.read_text() and log_in(config, unit.unit) == ""
        found = next(one for one in scene.office.get("inventory") if one["unit"] == unit.unit)
        assert f"{found['ssh_host']}:{found['ssh_port']}" == address
        assert not stays(unit), "no tunnel was asked for"
    key = new_key(scene.folder / "nowhere")
    said = scene.office.refused(409, f"units/{unit.unit}/reach", public_key=key)
    assert "not connected" in said and f"nor does it answer at {address}" in said and "refused" in said
    scene.here(unit)
    with listening(other) as address:  # another machine has that address now
        at(address)
        config = scene.reach(unit)
        assert f"Port {unit.reach.listen}" in config.read_text() and log_in(config, unit.unit) == ""
        assert stays(unit), "the tunnel was tried instead"
    at(None)


def test_a_unit_whose_program_keeps_crashing_dials_by_itself(scene: Scene) -> None:
    unit = scene.units["cu-mgar"]
    hang_up(unit)
    assert unit.dial().wait(60) == 0, "no reason to dial"
    scene.here(unit, Presence.LOST)
    unit.say_health("NRestarts=40\nActiveState=activating\n")
    unit.dial()
    key = new_key(scene.folder / "rescue")

    def reached() -> bool:
        asked = {"public_key": key, "minutes": 5}
        answer = scene.office.http.post(f"/api/v1/units/{unit.unit}/reach", json=asked)
        return answer.status_code == 200 and answer.json()["asked"] is False

    until(reached)
    hang_up(unit)
    unit.say_health("NRestarts=0\nActiveState=active\n")
    scene.here(unit)


def test_on_the_command_line(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = scene.units["ea-kiet"]
    scene.reach(unit)  # its line stands before there is another ssh
    program = tmp_path / "ssh"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/said\ncp "$2" {tmp_path}/config\nexit 7\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with on_the_command_line(scene.office, reach_command):
        done = CliRunner().invoke(app, ["reach", unit.unit, "--minutes", "1", "--", "ls", "-l", "a b"])
    assert done.exit_code == 7, done.output
    _, config, *said = (tmp_path / "said").read_text().splitlines()
    assert said == [unit.unit, "ls -l 'a b'"]
    assert f"User {reaching.ACCOUNT}" in (tmp_path / "config").read_text()
    assert not Path(config).parent.exists(), "the key is gone"


def test_a_unit_that_is_locked_out_is_cut_off_and_stays_out(scene: Scene) -> None:
    """Issue 5: a copy of a replaced or revoked unit tries SSH from outside."""
    unit = scene.add("ea-tul")
    config = scene.reach(unit)
    assert log_in(config, unit.unit) == ""
    scene.office.http.post(f"/api/v1/units/{unit.unit}/revoke", json={"reason": "bị mất"})

    def port_is_free() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", unit.reach.listen)) != 0

    assert until(port_is_free) < 5
    assert stays(unit), "it tries again"
    code, said = at_the_door(unit, unit.reach)
    assert code == 255 and "Permission denied" in said
    scene.office.refused(409, f"units/{unit.unit}/reach", public_key=new_key(scene.folder / "late"))
    assert port_is_free()
