"""What cannot start, or finds its files damaged: an exit code and a sentence, or it goes on without them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.config import StateDir
from diemcau_controller.namespace import ADDRESS

from tests.system.one_hall import BIN, run, until
from tests.system.small_disk import leave_the_mounts_alone, read_only, small_disk

PORTS = {"web": 18444, "mqtt": 18884, "janus": 18990, "tunnel": 18323}
SOUND = f"""
public_address = "{ADDRESS}"
[web]
host = "{ADDRESS}"
port = {PORTS["web"]}
[mqtt]
host = "{ADDRESS}"
port = {PORTS["mqtt"]}
[janus]
port = {PORTS["janus"]}
[tunnel]
port = {PORTS["tunnel"]}
"""


@pytest.fixture(autouse=True, scope="module")
def _own_mounts() -> None:
    leave_the_mounts_alone()


def serve(folder: Path, config: str | bytes = SOUND, *, program: tuple[str, ...] = ()) -> tuple[int, str]:
    """Exit code and last line of a `diemcau serve` that does not come up."""
    file = folder / "diemcau.toml"
    file.write_bytes(config.encode() if isinstance(config, str) else config)
    command = [str(BIN / "diemcau"), "serve", "--state-dir", str(folder / "state"), "--config", str(file)]
    done = subprocess.run([*program, *command], capture_output=True, text=True, timeout=30)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr.strip().splitlines()[-1]


# ── diemcau serve ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("port = = 1", "is not TOML"),
        (b'public_address = "\xff"', "is not UTF-8 at byte 18"),
        ("[web]\nport = 'many'", "has a wrong web.port"),
        ("[web]\nport = 70000", "has a wrong web.port"),
        ("web = 8443", "has a wrong web"),
        ("timezone = 'Asia/Buon_Ma_Thuot'", "has a wrong timezone"),
        ("[mqtt]\nprot = 1", "has a setting nobody knows: mqtt.prot"),
    ],
)
def test_a_broken_configuration(config: str | bytes, sentence: str, tmp_path: Path) -> None:
    code, told = serve(tmp_path, config)
    assert code == 1 and sentence in told and "diemcau.toml" in told
    assert not (tmp_path / "state").exists(), "nothing is made of a guess"


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        done = run("diemcau", "serve", "--state-dir", str(tmp_path / "state"), "--config", str(path))
        assert done.returncode == 1 and f"cannot read the configuration {path}" in done.stderr


@pytest.mark.parametrize("name", PORTS)
def test_a_port_taken(name: str, tmp_path: Path) -> None:
    with socket.create_server((ADDRESS, PORTS[name])):
        code, told = serve(tmp_path)
    assert code == 1
    assert f"port {PORTS[name]} " in told and f"set another {name}.port" in told


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("/usr/sbin/mosquitto", "mosquitto"),
        ("/usr/bin/janus", "janus"),
        ("/usr/sbin/nginx", "nginx-light"),
    ],
)
def test_a_program_missing(program: str, package: str, tmp_path: Path) -> None:
    """The program is covered by something that is none, for this process only."""
    cover = tmp_path / "nothing"
    cover.touch()
    without = ("unshare", "--mount", "sh", "-c", f'mount --bind {cover} {program} && exec "$@"', "sh")
    code, told = serve(tmp_path, program=without)
    assert (code, told) == (
        3,
        f"diemcau: {Path(program).name} is missing: install the package {package} (apt-get install)",
    )
    demo = [*without, str(BIN / "diemcau"), "demo", "--once", "--state-dir", str(tmp_path / "demo")]
    done = subprocess.run(demo, capture_output=True, text=True, timeout=30)
    assert done.returncode == 3 and f"package {package}" in done.stderr


def test_a_state_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with read_only(tmp_path / "state"):
        code, told = serve(tmp_path)
    assert code == 1
    assert f"the state folder {tmp_path / 'state'} cannot be written: Read-only file system" in told


def test_a_state_folder_on_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with small_disk(tmp_path / "state", 1) as disk:
        disk.fill()
        code, told = serve(tmp_path)
    assert code == 1 and "cannot be written: No space left on device" in told


def test_two_launchers_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "diemcau.toml").write_text(SOUND)
    command = [str(BIN / "diemcau"), "serve", "--state-dir", str(tmp_path / "state")]
    first = subprocess.Popen(
        [*command, "--config", str(tmp_path / "diemcau.toml"), "--only", "mosquitto"],
        stderr=subprocess.DEVNULL,
    )
    try:
        status = tmp_path / "state/run/launcher-mosquitto.json"
        until(status.exists)
        pid = json.loads(status.read_text())["children"]["mosquitto"]["pid"]
        done = run(
            *("diemcau", "serve", "--only", "mosquitto"),
            *("--state-dir", str(tmp_path / "state")),
            *("--config", str(tmp_path / "diemcau.toml")),
        )
        assert done.returncode == 1 and "another `diemcau serve` already runs in" in done.stderr
        assert json.loads(status.read_text())["children"]["mosquitto"]["pid"] == pid
    finally:
        first.terminate()
        assert first.wait(10) == 0


# ── diemcau without a controller ─────────────────────────────────────────────────────────────────


def test_the_command_line_without_a_controller(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        done = run("diemcau", "status", "--state-dir", str(folder))
        assert done.returncode == 1 and f"start `diemcau serve --state-dir {folder}`" in done.stderr
    state = StateDir(tmp_path / "gone")
    state.make()
    authority = Authority(state.authority)
    authority.ensure()
    state.ca_certificate.write_bytes(authority.ca_pem())
    state.local_token.write_text("dc_x")
    state.contact.write_text(
        json.dumps({"url": f"https://{ADDRESS}:1", "mqtt_host": ADDRESS, "mqtt_port": 1})
    )
    done = run("diemcau", "status", "--state-dir", str(state.root))
    assert done.returncode == 1 and "is `diemcau serve` running?" in done.stderr
    for broken in ("", "[]", "{}", "\x00"):
        state.contact.write_text(broken)
        done = run("diemcau", "status", "--state-dir", str(state.root))
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert run("diemcau", "dance").returncode == run("diemcau", "meeting", "add").returncode == 2


# ── diemcau-agent ────────────────────────────────────────────────────────────────────────────────


def agent(folder: Path, *arguments: str, code: int = 1) -> str:
    done = run("diemcau-agent", *arguments, "--state-dir", str(folder))
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The state folder of a unit whose broker does not answer."""
    authority = Authority(tmp_path / "ca")
    authority.ensure()
    authority.new_unit_identity(tmp_path / "unit/identity", ADDRESS, 1)
    return tmp_path / "unit"


@pytest.fixture
def running(folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.terminate()
        assert process.wait(10) == 0


def start(folder: Path, running: list[subprocess.Popen[bytes]]) -> None:
    running.append(
        subprocess.Popen(
            [str(BIN / "diemcau-agent"), "run", "--state-dir", str(folder)],
            env={**os.environ, "SDL_VIDEODRIVER": "dummy"},
            stderr=(folder / "log").open("ab"),
        )
    )
    until(lambda: run("diemcau-agent", "status", "--state-dir", str(folder)).returncode == 0)


def test_an_agent_without_identity_asks_to_be_a_unit(
    folder: Path, tmp_path: Path, running: list[subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "none").mkdir()
    (folder / "identity/coordinator.json").write_text("[" * 100_000)
    for place in (tmp_path / "none", folder):
        start(place, running)
        told = json.loads(run("diemcau-agent", "status", "--json", "--state-dir", str(place)).stdout)
        assert told["unit"] is None and told["enrolment"]["step"] in ("line", "address")
        assert "on its way" in run("diemcau-agent", "status", "--state-dir", str(place)).stdout
        assert "refuses: unknown request" in agent(place, "decline")
        assert "was not replaced or revoked" in agent(place, "reset")


def test_an_agent_that_does_not_run(folder: Path) -> None:
    for arguments in (("status",), ("status", "--json"), ("preflight",), ("snapshot", str(folder / "x.png"))):
        told = agent(folder, *arguments)
        assert (
            f"no unit process runs with {folder}; start it with `diemcau-agent run --state-dir {folder}`."
            in told
        )
    assert "outbox.sqlite is not there" in agent(folder, "events")


def test_an_agent_asked_wrongly(folder: Path) -> None:
    for arguments in (("dance",), ("status", "--loudly"), ("snapshot",), ("run", "now")):
        assert "usage: diemcau-agent" in agent(folder, *arguments, code=2)
    assert run("diemcau-agent").returncode == 2


def test_an_agent_that_may_not_write(folder: Path) -> None:
    with read_only(folder):
        told = agent(folder, "run")
    assert "cannot be written (Read-only file system); let this user write there." in told


def test_two_agents_in_one_folder(folder: Path, running: list[subprocess.Popen[bytes]]) -> None:
    start(folder, running)
    assert f"Another unit process already runs with {folder}; stop it first." in agent(folder, "run")
    assert "there is no picture" in agent(folder, "snapshot", str(folder / "none/x.png"))
    assert run("diemcau-agent", "status", "--state-dir", str(folder)).returncode == 0


def test_an_agent_goes_on_without_its_damaged_files(
    folder: Path, running: list[subprocess.Popen[bytes]]
) -> None:
    (folder / "desired").mkdir()
    (folder / "desired/schedule.json").write_bytes(b'{"v": 1, "unit": "u')
    (folder / "desired/config.json").write_bytes(b"\x00" * 5000)
    (folder / "outbox.sqlite").write_bytes(os.urandom(20_000))
    (folder / "run").mkdir()
    (folder / "run/janus_session").write_text("no number")
    start(folder, running)
    status = json.loads(run("diemcau-agent", "status", "--json", "--state-dir", str(folder)).stdout)
    assert status["rev"] == {"config": 0, "schedule": 0} and status["session"]["state"] == "idle"
    assert (folder / "desired/schedule.corrupt").exists() and (folder / "desired/config.corrupt").exists()
    assert (folder / "outbox.sqlite.corrupt").exists()
    events = [
        json.loads(line)
        for line in run("diemcau-agent", "events", "--json", "--state-dir", str(folder)).stdout.splitlines()
    ]
    assert [(event["seq"], event["kind"]) for event in events][:1] == [(1, "booted")]


def test_an_outbox_damaged_in_the_middle(folder: Path, running: list[subprocess.Popen[bytes]]) -> None:
    start(folder, running)
    running[0].send_signal(signal.SIGKILL)
    running.pop().wait()
    with sqlite3.connect(folder / "outbox.sqlite") as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = file.execute("PRAGMA page_count").fetchone()[0]
        size = file.execute("PRAGMA page_size").fetchone()[0]
    with (folder / "outbox.sqlite").open("r+b") as damaged:
        for page in range(1, pages):
            damaged.seek(page * size)
            damaged.write(b"\xa5" * size)
    (folder / "outbox.sqlite-wal").unlink(missing_ok=True)
    assert "cannot be read" in agent(folder, "events")
    start(folder, running)
    assert (folder / "outbox.sqlite.corrupt").exists()
    assert "booted" in run("diemcau-agent", "events", "--state-dir", str(folder)).stdout
