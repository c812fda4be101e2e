"""What the unit may not do itself and asks services for: their own command lines, run on a machine made up
below them. /run and /sys are others in a mount namespace, the clock and systemd are programs that take notes.

Not shown here: that systemd starts them when the request appears, and their sandbox (that is `make lab`).
"""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.namespace

SERVICES = Path(__file__).parents[2] / "agent/systemd"
AT = 1_767_300_000  # what the coordinator said: 2026-01-01, 20:40 UTC


class Machine:
    """A machine with USB devices whose clock says `clock_s`; `said` is what its programs were told."""

    def __init__(self, folder: Path, *, clock_s: int = AT, chrony: bool = False) -> None:
        self._folder, self._bin = folder, folder / "bin"
        self.requests = folder / "run/diemcau/requests"
        self.usb = folder / "sys/bus/usb/devices"
        for path in (self._bin, self.requests, self.usb):
            path.mkdir(parents=True)
        self._program("sleep", "")
        self._program("chronyc", "")
        self._program("systemctl", f"case $1 in is-active) exit {0 if chrony else 3} ;; esac")
        self._program("date", f"case $1 in +%s) echo {clock_s} ;; esac")

    def _program(self, name: str, does: str) -> None:
        path = self._bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self._folder}/said\n{does}\n')
        path.chmod(0o755)

    def plug(self, device: str) -> Path:
        """A USB device; gives its switch."""
        (self.usb / device).mkdir()
        switch = self.usb / device / "authorized"
        switch.write_text("1\n")
        return switch

    def ask(self, service: str, request: str, text: str) -> int:
        """The unit asks, and the service runs once: its exit code."""
        (self.requests / request).write_text(text)
        setting = (
            f"mount --bind {self._folder}/run /run && mount --bind {self._folder}/sys /sys"
            f' && PATH={self._bin}:$PATH exec "$@"'
        )
        wrapped = ["unshare", "--mount", "--propagation", "private", "sh", "-c", setting, "sh"]
        return subprocess.run([*wrapped, *command_of(service)], timeout=20).returncode

    @property
    def said(self) -> list[str]:
        path = self._folder / "said"
        return path.read_text().splitlines() if path.exists() else []


def command_of(service: str) -> list[str]:
    """The command line of a service, as systemd reads it (systemd.service(5), "Command lines")."""
    text = (SERVICES / service).read_text().replace("\\\n", " ")
    (line,) = [one for one in text.splitlines() if one.startswith("ExecStart=")]
    words = shlex.split(line.removeprefix("ExecStart="))
    assert not any("${" in word or word.startswith("$") for word in words), (
        "systemd would put something there"
    )
    return [word.replace("%%", "%") for word in words]


def test_a_usb_device_is_switched_off_and_on(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    switch, other = machine.plug("1-1.2"), machine.plug("1-1.3")
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if (now := switch.read_text().strip()) and seen[-1:] != [now]:
                seen.append(now)
            time.sleep(0.001)

    machine._program("sleep", "exec /bin/sleep 0.2")
    watcher = threading.Thread(target=watch)
    watcher.start()
    code = machine.ask("diemcau-usb.service", "reset-usb", "1-1.2")
    over.set()
    watcher.join()
    assert code == 0 and seen == ["1", "0", "1"] and other.read_text() == "1\n"
    assert not (machine.requests / "reset-usb").exists(), "asked once is done once"


@pytest.mark.parametrize("request_", ["", "../../1-1.2", "1-1.2/../1-1.3", "usb1", "9-9", "1-1.2\n1-1.3"])
def test_nothing_else_is_switched(tmp_path: Path, request_: str) -> None:
    machine = Machine(tmp_path)
    switches = [machine.plug("1-1.2"), machine.plug("1-1.3")]
    assert machine.ask("diemcau-usb.service", "reset-usb", request_) != 0
    assert [switch.read_text() for switch in switches] == ["1\n", "1\n"]
    assert not (machine.requests / "reset-usb").exists() and sorted(machine.usb.iterdir()) == [
        machine.usb / "1-1.2",
        machine.usb / "1-1.3",
    ]


@pytest.mark.parametrize(
    ("chrony", "asked"), [(True, "chronyc -a makestep"), (False, "systemctl restart systemd-timesyncd")]
)
def test_whoever_keeps_the_time_is_asked(tmp_path: Path, chrony: bool, asked: str) -> None:
    machine = Machine(tmp_path, clock_s=0, chrony=chrony)
    assert machine.ask("diemcau-clock.service", "set-clock", "") == 0
    assert asked in machine.said and not any(line.startswith("date -s") for line in machine.said)
    assert not (machine.requests / "set-clock").exists()


@pytest.mark.parametrize(
    ("clock_s", "text", "set_to"),
    [
        (3600, f"{AT}", f"date -s @{AT + 8}"),  # 1970
        (AT + 400 * 86_400, f"{AT}", f"date -s @{AT + 8}"),
        (AT + 8 + 50, f"{AT}", None),  # near enough: whoever keeps the time does it better
        (3600, "@0; reboot", None),
        (3600, "-5", None),
    ],
)
def test_where_nobody_keeps_it_the_coordinators_word_counts(
    tmp_path: Path, clock_s: int, text: str, set_to: str | None
) -> None:
    machine = Machine(tmp_path, clock_s=clock_s)
    assert machine.ask("diemcau-clock.service", "set-clock", text) == 0
    assert [line for line in machine.said if line.startswith("date -s")] == ([set_to] if set_to else [])


def test_the_updater_has_unit_and_screen_started_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.requests = tmp_path / "run/diemcau/update-requests"
    machine.requests.mkdir()
    assert machine.ask("diemcau-restart.service", "restart", "") == 0
    assert machine.said == ["systemctl restart diemcau-screen.service diemcau-unit.service"]
    assert not (machine.requests / "restart").exists(), "asked once is done once"
