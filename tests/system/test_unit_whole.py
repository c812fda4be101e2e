"""Two whole units with their real screen and media processes meet on the real Janus."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import Channel

from tests.system import janus_for_tests
from tests.system.unit_side import Broker, Coordinator, UnitProcess, meeting, now, until

SITES = ("trung-tam", "tra-nam")
VIDEO = {"width": 640, "height": 360, "fps": 15, "bitrate_bps": 400_000}


class WholeUnit(UnitProcess):
    """A unit started as a service manager would: `diemcau-agent run`."""

    command = (sys.executable, "-m", "diemcau_agent.cli", "run", "--die-with-parent", "--state-dir")

    def frames(self, slot: int = 0) -> int:
        slots = self.status()["session"]["slots"]
        return slots[slot]["frames_shown"] if len(slots) > slot else 0

    def shows_more(self, slot: int = 0) -> None:
        before = self.frames(slot)
        until(lambda: self.frames(slot) > before + 5, 20, "no more pictures")


class Meeting:
    def __init__(self, folder: Path) -> None:
        self.broker = Broker(folder / "broker")
        authority = self.broker.authority
        self._janus = folder / "janus"
        self._janus.mkdir()
        key, certificate = authority.server_certificate([], [ADDRESS])
        (self._janus / "janus.key").write_bytes(key.read_bytes())
        (self._janus / "ca.crt").write_bytes(certificate.read_bytes() + authority.ca_pem())
        self.janus = janus_for_tests.start(self._janus)
        self.units, self.coordinators = {}, {}
        for site in SITES:
            (folder / site).mkdir()
            unit = self.units[site] = WholeUnit(folder / site, authority)
            unit.start()
            self.coordinators[site] = Coordinator(authority, unit.unit, name=site)
        for site, coordinator in self.coordinators.items():
            coordinator.online()
            microphone = {"source": f"tone:{500 + 200 * SITES.index(site)}"}
            coordinator.configure(site=site, video=VIDEO, microphone=microphone)
            coordinator.schedule(
                meeting(join={"url": self.janus.url, "room": self.janus.room, "pin": self.janus.pin})
            )

    def restart_janus(self) -> None:
        self.janus.kill()
        self.janus = janus_for_tests.start(self._janus)

    def floor(self, seq: int, *speakers: str) -> None:
        for coordinator in self.coordinators.values():
            coordinator.say(Channel.FLOOR, meeting="m1", seq=seq, speakers=list(speakers), at=now())

    def all_in(self, seconds: float = 30) -> None:
        for unit in self.units.values():
            until(unit.attends, seconds, f"{unit.folder.name} is not in the meeting")

    def close(self) -> None:
        for unit in self.units.values():
            unit.stop(signal.SIGKILL)
        for coordinator in self.coordinators.values():
            coordinator.close()
        self.janus.kill()
        self.broker.kill()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Meeting]:
    meeting = Meeting(tmp_path)
    yield meeting
    meeting.close()


def test_two_halls_meet_and_survive_what_dies(made: Meeting) -> None:
    made.all_in()
    main, commune = made.units["trung-tam"], made.units["tra-nam"]
    commune.shows_more()
    assert commune.status()["session"]["slots"][0]["site"] == "trung-tam"
    made.floor(1, "tra-nam")
    until(lambda: commune.status()["session"]["mic"] == "open")
    main.shows_more()
    picture = commune.folder / "meeting.png"
    assert commune.cli("snapshot", str(picture)).returncode == 0 and picture.stat().st_size > 5000
    unit = psutil.Process(commune.process.pid)
    print(f"unit process in a meeting: {unit.memory_full_info().pss / 2**20:.1f} MB PSS")
    for role in ("media", "screen"):
        before = commune.pid(role)
        os.kill(before or 0, signal.SIGKILL)
        until(lambda role=role, before=before: commune.pid(role) not in (None, before), 15)
        made.all_in()
        commune.shows_more()
    made.restart_janus()
    for site, coordinator in made.coordinators.items():
        losses = 2 if site == "tra-nam" else 1
        until(lambda c=coordinator, n=losses: c.kinds().count("rejoined") == n, 30, f"{site} is not back")
    made.floor(2, "tra-nam")
    main.shows_more()
    for coordinator in made.coordinators.values():
        coordinator.schedule(meeting(closed=True), rev=2)
    for site, coordinator in made.coordinators.items():
        until(lambda c=coordinator: "left" in c.kinds())
        kinds = [kind for kind in coordinator.kinds() if kind in ("joined", "dropped", "rejoined", "left")]
        lost = 2 if site == "tra-nam" else 1
        assert kinds == ["joined", *["dropped", "rejoined"] * lost, "left"], kinds
        assert made.units[site].stop() == 0
