"""A full disk, on a unit and on the controller's machine: the meeting goes on, events are stored later."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from diemcau_controller.demo.halls import MAIN, SITES
from diemcau_controller.namespace import ADDRESS

from tests.system.one_hall import PATIENCE_S, OneHall, staged, talking, until
from tests.system.small_disk import SmallDisk, leave_the_mounts_alone, small_disk

OTHER = SITES[1]
ANSWER_S = 2.0


@dataclass
class Meeting:
    """Two halls in a meeting; the second has the floor, so that the first sees it."""

    hall: OneHall
    id: str
    unit_disk: SmallDisk
    controller_disk: SmallDisk

    def floor(self, verb: str, site: str) -> int:
        body = {"verb": verb, "site": site, "add": verb == "grant"}
        return int(self.hall.http.post(f"/api/v1/meetings/{self.id}/floor", json=body).status_code)

    def goes_on(self) -> None:
        """The unit is in the meeting, shows new pictures of the other hall, and answers commands."""
        before = self._frames()
        self.answers()
        until(lambda: self._frames() > before + 5, 30, "no new pictures")
        assert self.hall.unit_status()["session"]["state"] == "in_meeting"

    def answers(self) -> None:
        began = time.monotonic()
        answer = self.hall.http.post(f"/api/v1/units/{self.hall.unit}/commands", json={"verb": "ping"})
        assert answer.status_code == 200 and answer.json()["ok"] is True, answer.text
        assert time.monotonic() - began <= ANSWER_S

    def at_unit(self) -> list[str]:
        """Ids of the events in the unit's file."""
        done = self.hall.agent("events", "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["id"] for line in done.stdout.splitlines()]

    def at_controller(self) -> list[str]:
        query = {"unit": self.hall.unit, "limit": "1000"}
        return [event["id"] for event in self.hall.http.get("/api/v1/events", params=query).json()]

    def kinds(self) -> list[str]:
        """Kinds of the events at the controller; the microphone's, which follow the floor's, left out."""
        query = {"unit": self.hall.unit, "limit": "1000"}
        found = [event["kind"] for event in self.hall.http.get("/api/v1/events", params=query).json()]
        return [kind for kind in found if not kind.startswith("microphone_")]

    def equal(self) -> bool:
        """Every event is here and there, each once."""
        here, there = self.at_controller(), self.at_unit()
        return sorted(here) == sorted(there) and len(set(here)) == len(here)

    def _frames(self) -> int:
        slots = self.hall.unit_status()["session"]["slots"]
        return int(next((slot["frames_shown"] for slot in slots if slot["site"] == OTHER), 0))


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    leave_the_mounts_alone()
    root = tmp_path_factory.mktemp("disk")
    with ExitStack() as stack:
        controller_disk = stack.enter_context(small_disk(root, 96))
        stage = stack.enter_context(staged(root, 2))
        unit_disk = stack.enter_context(small_disk(stage.unit_folder(MAIN), 8))
        stage.start_units(time.monotonic() + PATIENCE_S)
        hall = stack.enter_context(talking(stage))
        occurrence = stage.add_meeting("Giao ban", 2, 3000, opens_before_s=60)
        made = Meeting(hall, occurrence, unit_disk, controller_disk)
        until(lambda: _joined(hall, occurrence) == {MAIN, OTHER}, 60, "not every site joined")
        assert made.floor("grant", OTHER) == 200 and made.floor("end", MAIN) == 200
        made.goes_on()
        yield made


def _joined(hall: OneHall, occurrence: str) -> set[str]:
    found = hall.http.get("/api/v1/events", params={"meeting": occurrence, "kind": "joined"}).json()
    return {event["site"] for event in found}


def test_on_the_unit(meeting: Meeting) -> None:
    hall = meeting.hall
    until(meeting.equal)
    stored = meeting.at_unit()
    meeting.unit_disk.fill()
    assert meeting.floor("grant", MAIN) == 200
    until(lambda: meeting.kinds()[-2:] == ["disk_full", "floor_taken"])
    assert meeting.floor("end", MAIN) == 200
    until(lambda: meeting.kinds()[-1] == "floor_left")
    meeting.goes_on()
    assert meeting.at_unit() == stored, "there is room for nothing"
    assert hall.http.patch(f"/api/v1/sites/{MAIN}", json={"name": "Trung tâm mới"}).status_code == 200
    told = until(lambda: hall.known_unit()["config"]["error"])
    assert told == "could not be stored: No space left on device"
    assert hall.known_unit()["config"]["reported"] == hall.known_unit()["config"]["desired"], (
        "it runs all the same"
    )

    meeting.unit_disk.empty()
    until(meeting.equal, 30, "events are not stored later")
    until(lambda: hall.known_unit()["config"]["error"] is None, 30, "the configuration is not stored later")
    assert (
        json.loads((hall.unit_folder / "desired/config.json").read_text())["site"]["name"] == "Trung tâm mới"
    )
    assert len(meeting.at_unit()) > len(stored)
    meeting.goes_on()


def test_on_the_controllers_machine(meeting: Meeting) -> None:
    hall = meeting.hall
    until(meeting.equal, 30)
    stored = meeting.at_controller()
    meeting.controller_disk.fill()
    os.kill(hall.unit_pid("screen"), signal.SIGKILL)  # an event
    until(lambda: hall.unit_status()["outbox"]["pending"] >= 1)
    until(lambda: hall.health()["status"] == "cannot store: database or disk is full")
    meeting.goes_on()
    assert meeting.at_controller() == stored, "there is room for nothing"
    answer = hall.http.post("/api/v1/sites", json={"id": "xa-moi", "name": "Xã mới"})
    assert answer.status_code == 503 and "look at the free space of the disk" in answer.json()["detail"]
    done = hall.diemcau("site", "add", "xa-moi", "--name", "Xã mới")
    assert done.returncode == 1 and "look at the free space of the disk" in done.stderr

    broker = hall.pid("mosquitto")
    assert broker is not None
    os.kill(broker, signal.SIGKILL)
    until(lambda: _open(hall.mqtt_port) and hall.health()["mqtt"], 20, "the broker is not back")

    meeting.controller_disk.empty()
    until(lambda: hall.health()["status"] == "ok", 20)
    until(meeting.equal, 40, "events are not stored later")
    assert len(meeting.at_controller()) > len(stored)
    until(lambda: hall.pid("mosquitto") not in (None, broker), 15, "what runs is not written down later")
    assert hall.http.post("/api/v1/sites", json={"id": "xa-moi", "name": "Xã mới"}).status_code == 201
    until(lambda: hall.known_unit()["status"] == "online" and hall.unit_status()["link"], 20)
    meeting.goes_on()


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0
