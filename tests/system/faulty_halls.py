"""Halls for tests of the check: a real unit process and its real media process, on fake devices.

Faults are injected as effects below the drivers: what a device's file says, what the kernel would say in
sysfs, a process that is stopped, a server that nobody reaches yet.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from diemcau_agent.ipc import decode_line, encode_line
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import encode
from diemcau_wire.messages import DesiredConfig
from diemcau_wire.unix_socket import connect

from .janus_for_tests import Janus
from .unit_side import CHILDREN, UnitProcess

Json = dict[str, Any]
RUN = """
import sys
from datetime import timedelta
from pathlib import Path
from diemcau_agent.lifetime import die_with_parent
from diemcau_agent.rules import checking
from diemcau_agent.unit import hall_answers, media_process, screen_process
from diemcau_agent.unit.life import run
from diemcau_agent.unit.run import Programs
from diemcau_agent.unit.state_folder import StateFolder
from diemcau_wire.logs import log_to_stderr
die_with_parent()
log_to_stderr()
# a busy machine is no fault of the hall
checking.LIMIT, hall_answers.PREFLIGHT_LIMIT_S = timedelta(seconds=300), 320
media_process.START_LIMIT_S, media_process.SILENT_S = 120, 20
screen_process.SILENT_S = 300  # it is the check that finds a hung one here
run(StateFolder(Path(sys.argv[2])), programs=Programs(screen=(sys.executable, sys.argv[1])))
"""


class Hall:
    """One hall: a healthy one until somebody changes what its devices do."""

    def __init__(self, folder: Path, authority: Authority, janus: Janus) -> None:
        folder.mkdir()
        self.folder, self.name = folder, folder.name
        self.unit = UnitProcess(folder, authority)
        self.unit.command = (sys.executable, "-c", RUN, str(CHILDREN / "screen.py"))
        ca = self.unit.state / "identity" / "ca.crt"
        ca.write_bytes(ca.read_bytes() + janus.ca.read_bytes())
        self.check_room: Json = {**janus.join}
        self.said: Json = {}
        self.at_check: Callable[[], object] = lambda: None
        self.device("camera", moves=False, fps=8)
        self.device("speaker")
        self.device("microphone", hears=str(self.path("speaker")))
        self.device("television", power="on")
        self.kernel("class/thermal/thermal_zone0/temp", "52000")
        self.kernel("class/hwmon/hwmon3/name", "rpi_volt")
        self.kernel("class/hwmon/hwmon3/in0_lcrit_alarm", "0")

    def path(self, device: str) -> Path:
        return self.folder / f"{device}.json"

    def device(self, name: str, **effects: Any) -> None:
        """Change what a device does."""
        path = self.path(name)
        before = json.loads(path.read_text()) if path.exists() else {}
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(before | effects))
        draft.replace(path)

    def kernel(self, path: str, says: str) -> None:
        """Change what the kernel says below /sys."""
        file = self.folder / "sys" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(says)

    def broker_at(self, port: int) -> None:
        """Have the unit look for its broker at another port."""
        path = self.unit.state / "identity" / "coordinator.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "mqtt_port": port}))

    def start(self) -> None:
        config = DesiredConfig.model_validate(
            {
                "unit": self.unit.unit,
                **{"epoch": 1, "rev": 1, "site": {"id": self.name, "name": f"Xã {self.name}"}},
                "coordinator": {"name": "Nguyễn Thị Hương", "phone": "0262 3 834 000"},
                "camera": {"source": f"fake:{self.path('camera')}"},
                "microphone": {"source": f"fake:{self.path('microphone')}"},
                "sound": {"output": f"fake:{self.path('speaker')}"},
                "television": {"control": f"fake:{self.path('television')}"},
                "buttons": {"source": "none"},
                "checks": {"morning_at": None, "tone": True},
                "video": {"width": 320, "height": 180, "fps": 4},
                "check_room": self.check_room,
            }
        )
        stored = self.unit.state / "desired" / "config.json"
        stored.parent.mkdir(exist_ok=True)
        stored.write_bytes(encode(config))
        log = (self.folder / "unit.log").open("a")
        environment = {"UNIT_TEST": str(self.folder), "DIEMCAU_SYSFS": str(self.folder / "sys")}
        command = [*self.unit.command, str(self.unit.state)]
        self.unit.process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=log)
        log.close()

    def check(self) -> None:
        """Check the room; `said` is what the command line would be told."""
        self.at_check()
        with connect(self.unit.state / "run" / "unit.sock") as unit:
            unit.settimeout(330)
            unit.sendall(encode_line({"type": "preflight"}))
            with unit.makefile("rb") as answers:
                self.said = decode_line(answers.readline())

    def found(self) -> dict[str, bool | None]:
        """Each fault that was named, and whether it was mended."""
        return {finding["what"]: finding["mended"] for finding in self.said["findings"]}

    def events(self, kind: str) -> list[Json]:
        lines = self.unit.cli("events", "--json").stdout.splitlines()
        return [event for line in lines if (event := json.loads(line))["kind"] == kind]

    def logged(self) -> str:
        return (self.folder / "unit.log").read_text()

    def media(self) -> psutil.Process | None:
        """Its media process, when there is one."""
        for child in psutil.Process(self.unit.process.pid).children():
            if "diemcau_agent.media" in child.cmdline():
                return child
        return None

    def stop(self) -> None:
        self.unit.process.kill()
        self.unit.process.wait()


def when(true: Callable[[], bool], then: Callable[[], object], within_s: float = 600) -> None:
    """Beside everything else: as soon as something is so, do something."""

    def wait() -> None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                if true():
                    then()
                    return
            except (OSError, psutil.Error):
                pass
            time.sleep(0.1)

    threading.Thread(target=wait, daemon=True).start()


def camera_opened(hall: Hall) -> bool:
    return "camera_opened" in hall.logged()


def hang_media(hall: Hall) -> None:
    """Stop its media process as a hung machine does, once it has the camera open."""

    def stop() -> None:
        media = hall.media()
        if media is not None:
            media.send_signal(signal.SIGSTOP)

    when(lambda: camera_opened(hall) and hall.media() is not None, stop)


class LateDoor:
    """A port that leads nowhere until it is opened, then to another one."""

    def __init__(self, port: int, leads_to: int) -> None:
        self._port, self._leads_to = port, leads_to

    def open(self) -> None:
        listening = socket.create_server((ADDRESS, self._port))
        threading.Thread(target=self._serve, args=(listening,), daemon=True).start()

    def _serve(self, listening: socket.socket) -> None:
        while True:
            here, _ = listening.accept()
            there = socket.create_connection((ADDRESS, self._leads_to))
            for source, sink in ((here, there), (there, here)):
                threading.Thread(target=_carry, args=(source, sink), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
