"""`diemcau serve` with the real Mosquitto and Janus."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from diemcau_controller import launcher, programs
from diemcau_controller.config import Settings
from diemcau_controller.namespace import ADDRESS

CONFIG = f"""
public_address = "{ADDRESS}"
[web]
host = "127.0.0.1"
port = 18443
[mqtt]
host = "{ADDRESS}"
port = 18883
[janus]
port = 18989
[tunnel]
port = 18322
"""


class Served:
    """A running `diemcau serve` and what it says about itself."""

    def __init__(self, state: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        config = state.parent / "diemcau.toml"
        config.write_text(CONFIG)
        self.state = state
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "diemcau_controller.cli", "serve"),
                *("--state-dir", str(state), "--config", str(config), *arguments),
            ],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )

    def children(self, only: str = "") -> dict[str, Any]:
        path = self.state / "run" / f"launcher{only and '-' + only}.json"
        return json.loads(path.read_text())["children"] if path.exists() else {}

    def is_up(self, name: str) -> bool:
        """True when somebody listens at its socket."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.state / "run" / f"{name}.sock")) == 0

    def until(self, what: Callable[[], bool], seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            assert time.monotonic() < deadline, "not in time"
            time.sleep(0.05)

    def end(self) -> tuple[int, float]:
        """Exit code and seconds it took."""
        started = time.monotonic()
        self.process.terminate()
        return self.process.wait(10), time.monotonic() - started


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def start(*arguments: str, **more: Any) -> Served:
        made.append(Served(tmp_path / "state", *arguments, **more))
        return made[-1]

    yield start
    for served in made:
        served.process.kill()
        served.process.wait()


def is_open(port: int, address: str = ADDRESS) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_six_run_side_by_side_come_back_and_end_in_order(serve: Callable[..., Served]) -> None:
    served = serve()
    served.until(lambda: served.is_up("web") and served.is_up("janus") and is_open(18883), 30)
    served.until(lambda: is_open(18443, "127.0.0.1"))
    before = served.children()
    assert set(before) == {"mosquitto", "janus", "porter", "nginx", "controller", "tunnel"}
    parents = {
        Path(f"/proc/{child['pid']}/stat").read_text().rsplit(")", 1)[1].split()[1]
        for child in before.values()
    }
    assert parents == {str(served.process.pid)}, "siblings, not children of each other"
    others = ("mosquitto", "janus", "porter", "nginx", "tunnel")
    for name in others:
        os.kill(before[name]["pid"], signal.SIGKILL)
    served.until(
        lambda: all(served.children()[name]["pid"] not in (None, before[name]["pid"]) for name in others)
    )
    served.until(lambda: served.is_up("janus") and served.is_up("porter") and is_open(18883))
    served.until(lambda: is_open(18443, "127.0.0.1"))
    after = served.children()
    assert after["controller"] == before["controller"], "the controller does not die with them"
    code, seconds = served.end()
    assert code == 0 and seconds < 5
    assert not any(alive(child["pid"]) for child in after.values())
    assert not (served.state / "run/launcher.json").exists()


def test_the_workers_of_nginx_end_with_it_and_with_the_launcher(serve: Callable[..., Served]) -> None:
    served = serve("--only", "nginx")
    served.until(lambda: is_open(18443, "127.0.0.1"))
    pid = served.children("nginx")["nginx"]["pid"]
    workers = [child.pid for child in psutil.Process(pid).children()]
    os.kill(pid, signal.SIGKILL)
    served.until(lambda: served.children("nginx")["nginx"]["pid"] not in (None, pid))
    assert workers and not any(map(alive, workers))
    served.until(lambda: is_open(18443, "127.0.0.1"))
    served.process.kill()
    served.process.wait()
    deadline = time.monotonic() + 5
    while is_open(18443, "127.0.0.1") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_open(18443, "127.0.0.1")


def test_nothing_outlives_a_killed_launcher(serve: Callable[..., Served]) -> None:
    served = serve("--only", "janus")
    served.until(lambda: served.is_up("janus"))
    pid = served.children("janus")["janus"]["pid"]
    served.process.kill()
    served.process.wait()
    deadline = time.monotonic() + 3
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def test_no_restart_leaves_it_down(serve: Callable[..., Served]) -> None:
    served = serve("--only", "mosquitto", "--no-restart", "mosquitto")
    served.until(lambda: is_open(18883) and "mosquitto" in served.children("mosquitto"))
    limits = Path(f"/proc/{served.children('mosquitto')['mosquitto']['pid']}/limits").read_text()
    assert int(limits.partition("Max open files")[2].split()[0]) > 10_000
    os.kill(served.children("mosquitto")["mosquitto"]["pid"], signal.SIGKILL)
    served.until(lambda: served.children("mosquitto")["mosquitto"]["pid"] is None)
    time.sleep(1.5)
    assert served.children("mosquitto")["mosquitto"] == {"pid": None, "restarts": 0, "exit": -signal.SIGKILL}


def refused(served: Served) -> tuple[int, str]:
    _, text = served.process.communicate(timeout=20)
    return served.process.returncode, text.strip().splitlines()[-1]


def test_one_launcher_per_state_folder(serve: Callable[..., Served]) -> None:
    first = serve("--only", "mosquitto")
    first.until(lambda: is_open(18883))
    code, sentence = refused(serve("--only", "mosquitto"))
    assert code == 1 and "already runs" in sentence


def test_a_taken_port_is_named(serve: Callable[..., Served]) -> None:
    for address, port in (("127.0.0.1", 18443), (ADDRESS, 18989)):
        with socket.create_server((address, port)):
            code, sentence = refused(serve())
        assert code == 1 and str(port) in sentence and "nginx" in sentence


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("mosquitto", "mosquitto"),
        ("janus", "janus"),
        ("nginx", "nginx-light"),
        ("tunnel", "openssh-server"),
    ],
)
def test_a_missing_program_is_named_with_its_package(
    program: str,
    package: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "setpriv").symlink_to("/usr/bin/setpriv")
    monkeypatch.setattr(programs, "_SEARCH", str(tmp_path))
    assert launcher.run(Settings(), tmp_path / "state", only=program) == 3
    assert f"package {package}" in capsys.readouterr().err.splitlines()[-1]


def test_an_unusable_state_folder_is_named(serve: Callable[..., Served], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/run").write_text("a file")
    code, sentence = refused(serve())
    assert code == 1 and "cannot be written" in sentence


def test_secrets_are_for_the_owner_only(serve: Callable[..., Served]) -> None:
    served = serve()
    served.until(lambda: is_open(18443, "127.0.0.1") and served.is_up("janus"))
    secret = [
        path for path in (served.state / "generated").rglob("*") if path.suffix in {".key", ".jcfg", ".conf"}
    ]
    assert len(secret) >= 5
    assert {path.stat().st_mode & 0o077 for path in secret} == {0}
    assert (served.state / "generated").stat().st_mode & 0o077 == 0
