"""Nothing in the hall is open but when it was announced: looked at from outside, from idle to idle.

The positive control is in it: what is open in the meeting is seen by every way of looking.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import Channel

from tests import sound_server
from tests.sound_server import SoundServer
from tests.system import janus_for_tests
from tests.system.privacy_watch import Sample, Watch, WatchedCamera
from tests.system.unit_side import Broker, Coordinator, WholeUnit, meeting, now, until

SLACK_S = 1.5  # between what happens and what the screen is told of it, on a busy machine
ZERO = 82  # on the number block: held, it stops
VIDEO = {"width": 320, "height": 180, "fps": 10, "bitrate_bps": 200_000}


@dataclass
class Room:
    """A hall with camera, microphone and keypad, and the way into a meeting."""

    unit: WholeUnit
    coordinator: Coordinator
    watch: Watch
    janus: janus_for_tests.Janus
    keypad: Path

    def press(self, *codes: int) -> None:
        draft = self.keypad.with_suffix(".draft")
        draft.write_text(json.dumps({"down": list(codes)}))
        draft.replace(self.keypad)

    def floor(self, seq: int) -> None:
        self.coordinator.say(Channel.FLOOR, meeting="m1", seq=seq, speakers=["tra-nam"], at=now())

    def open(self, *, camera: bool, microphone: bool, seconds: float = 30) -> None:
        until(
            lambda: self.watch.is_open(camera=camera, microphone=microphone),
            seconds,
            f"not camera {camera}, microphone {microphone}: {self.watch.samples[-3:]}",
        )

    def stays_shut(self, seconds: float) -> None:
        began = time.time()
        time.sleep(seconds)
        seen = self.watch.between(began, time.time())
        assert seen and not any(sample.camera or sample.microphone for sample in seen), seen

    def kinds(self, *of: str) -> list[str]:
        return [kind for kind in self.coordinator.kinds() if kind in of]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    broker = Broker(tmp_path / "broker")
    folder = tmp_path / "janus"
    folder.mkdir()
    key, certificate = broker.authority.server_certificate([], [ADDRESS])
    (folder / "janus.key").write_bytes(key.read_bytes())
    (folder / "ca.crt").write_bytes(certificate.read_bytes() + broker.authority.ca_pem())
    janus = janus_for_tests.start(folder)
    sound = SoundServer(tmp_path / "sound")
    sound.start()
    hum = tmp_path / "hum.s16"
    np.random.default_rng(1).normal(0, 900, 48_000 * 120).astype("<i2").tofile(hum)
    keypad = tmp_path / "keypad.json"
    keypad.write_text("{}")
    unit = WholeUnit(tmp_path, broker.authority)
    with WatchedCamera(8561) as camera, sound.playing(hum), pytest.MonkeyPatch.context() as patch:
        for name, value in sound.environment.items():
            patch.setenv(name, value)
        unit.start()
        coordinator = Coordinator(broker.authority, unit.unit)
        coordinator.online()
        coordinator.configure(
            video=VIDEO,
            camera={"source": camera.url},
            microphone={"source": f"pulse:{sound_server.MICROPHONE}", "echo_cancellation": False},
            buttons={"source": f"fake:{keypad}"},
            checks={"morning_at": None, "tone": False},
        )
        with Watch(unit.process.pid, camera, sound) as watch:
            yield Room(unit, coordinator, watch, janus, keypad)
        unit.stop(signal.SIGKILL)
        coordinator.close()
    sound.stop()
    janus.kill()
    broker.kill()


def test_nothing_is_open_but_when_it_was_announced(room: Room) -> None:
    coordinator, unit = room.coordinator, room.unit
    until(lambda: coordinator.last(Channel.REPORTED_CONFIG).get("rev") == 1)
    room.stays_shut(1)

    asked_at = time.time()
    assert coordinator.ack(coordinator.command("preflight"))["ok"]
    until(lambda: "verdict" in coordinator.kinds(), 100, "no verdict")
    in_check = room.watch.between(asked_at, time.time())
    assert any(sample.camera for sample in in_check) and any(sample.microphone for sample in in_check)
    room.open(camera=False, microphone=False)
    room.stays_shut(1)

    join = {"url": room.janus.url, "room": room.janus.room, "pin": room.janus.pin}
    coordinator.schedule(meeting(opens_s=2, join=join))
    until(unit.attends, 60, "not in the meeting")
    room.open(camera=True, microphone=False)
    room.floor(1)
    room.open(camera=True, microphone=True)
    newest = room.watch.samples[-1]
    assert newest.clients == 1 and newest.listeners == 1 and newest.holders == ("media",), newest

    assert unit.cli("mute").returncode == 0
    room.open(camera=True, microphone=False)
    room.press(ZERO)
    room.open(camera=False, microphone=False)
    room.press()
    room.floor(2)
    os.kill(unit.pid("media") or 0, signal.SIGKILL)
    until(lambda: "rejoined" in coordinator.kinds(), 60, "not back")
    room.stays_shut(1.5)
    assert unit.status()["session"]["state"] == "in_meeting"
    assert coordinator.last(Channel.REPORTED_SESSION)["mic"] == "closed"
    shown = unit.told("screen")[-1]["privacy"]
    assert shown["stopped"] and shown["muted"] and not shown["camera"] and not shown["microphone"]

    assert unit.cli("resume").returncode == 0 and unit.cli("unmute").returncode == 0
    room.open(camera=True, microphone=True)
    assert unit.cli("hand", "--down").returncode == 0
    coordinator.schedule(meeting(closed=True, join=join), rev=2)
    until(lambda: "left" in coordinator.kinds(), 30)
    room.open(camera=False, microphone=False)
    assert unit.cli("stop").returncode == 1, "there is nothing to stop"
    until(lambda: unit.told("screen")[-1]["view"] == "idle", 20)
    room.stays_shut(1)

    announced(room.watch.samples, unit.told("screen"))
    every_opening_has_its_end(coordinator.events())
    assert room.kinds("local_mute", "local_stop") == ["local_mute", "local_stop", "local_stop", "local_mute"]


def announced(samples: list[Sample], told: list[dict[str, Any]]) -> None:
    """Whatever was open was open while the screen said so, or that it was going to be."""
    shows = [line for line in told if line["type"] == "show"]

    def said(at: float, device: str) -> bool:
        current = [line for line in shows if line["heard_at"] <= at + SLACK_S]
        recent = [line for line in current if line["heard_at"] >= at - SLACK_S] or current[-1:]
        return any(_says(line, device) for line in [*current[-1:], *recent, *_before(shows, at)])

    for sample in samples:
        assert not sample.camera or said(sample.at, "camera"), sample
        assert not sample.microphone or said(sample.at, "microphone"), sample
        assert set(sample.holders) <= {"media"}, sample


def _before(shows: list[dict[str, Any]], at: float) -> list[dict[str, Any]]:
    """What was on the screen when the time of doubt began."""
    return [line for line in shows if line["heard_at"] <= at - SLACK_S][-1:]


def _says(line: dict[str, Any], device: str) -> bool:
    privacy = line["privacy"]
    if privacy[device]:
        return True
    checking = line["readiness"]["verdict"] == "checking" and privacy["opens_at"] is None
    return checking or (line["meeting"] is not None and not privacy["stopped"])


def every_opening_has_its_end(events: list[dict[str, Any]]) -> None:
    for device in ("camera", "microphone"):
        kinds = [
            event["kind"] for event in events if event["kind"] in (f"{device}_opened", f"{device}_closed")
        ]
        assert len(kinds) >= 4 and kinds == [f"{device}_opened", f"{device}_closed"] * (len(kinds) // 2), (
            kinds
        )
