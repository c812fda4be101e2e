"""What the site's page asks of a hall at once: a tone, a picture of its room, what is plugged in."""

from __future__ import annotations

import http.server
import io
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import Channel
from PIL import Image

from tests import sound_server
from tests.sound_server import SoundServer
from tests.system.unit_side import Broker, Coordinator, WholeUnit, until

PORT = 8562
TOKEN = "token-of-the-unit"
UPLOAD = {"url": f"https://{ADDRESS}:{PORT}/api/v1/units/u/picture", "token": TOKEN}
VIDEO = {"width": 320, "height": 180, "fps": 10, "bitrate_bps": 200_000}


class Controller(http.server.BaseHTTPRequestHandler):
    """Takes pictures."""

    pictures: list[tuple[str, str, str, bytes]]

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        kind, token = self.headers["Content-Type"], self.headers["Authorization"]
        self.pictures.append((self.path, kind, token, data))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class Hall:
    """A unit, and everything around it."""

    def __init__(self, folder: Path) -> None:
        self.broker = Broker(folder / "broker")
        self.sound = SoundServer(folder / "sound")
        self.sound.start()
        key, certificate = self.broker.authority.server_certificate([], [ADDRESS])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        Controller.pictures = self.pictures = []
        self.server = http.server.ThreadingHTTPServer((ADDRESS, PORT), Controller)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.unit = WholeUnit(folder, self.broker.authority)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.sound.environment.items():
                patch.setenv(name, value)
            self.unit.start()
        self.coordinator = Coordinator(self.broker.authority, self.unit.unit)
        self.coordinator.online()
        self._rev = 0

    def configure(self, **more: Any) -> None:
        self._rev += 1
        fields = {"video": VIDEO, "checks": {"morning_at": None}, "upload": UPLOAD, **more}
        self.coordinator.configure(rev=self._rev, **fields)
        until(lambda: self.coordinator.last(Channel.REPORTED_CONFIG).get("rev") == self._rev)

    def ask(self, verb: str, **args: Any) -> dict[str, Any]:
        return self.coordinator.ack(self.coordinator.command(verb, args=args), 30)

    def close(self) -> None:
        self.unit.stop(signal.SIGKILL)
        self.coordinator.close()
        self.server.shutdown()
        self.server.server_close()
        self.sound.stop()
        self.broker.kill()


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    yield made
    made.close()


def test_what_the_page_asks_of_a_hall(hall: Hall) -> None:
    devices_are_found_and_told(hall)
    a_tone_is_played_or_it_is_said_why_not(hall)
    a_picture_of_the_room_is_taken_only_where_it_may_be(hall)


def devices_are_found_and_told(hall: Hall) -> None:
    hall.configure(microphone={"source": f"pulse:{sound_server.MICROPHONE}"})
    until(lambda: hall.coordinator.last(Channel.REPORTED_DEVICES), 20)
    listed = {one["source"] for one in hall.coordinator.last(Channel.REPORTED_DEVICES)["devices"]}
    assert f"pulse:{sound_server.MICROPHONE}" in listed and f"pulse:{sound_server.SPEAKER}" in listed
    hall.sound.unplug(sound_server.MICROPHONE)
    assert hall.ask("find_devices")["result"] == {"found": len(listed) - 1}
    hall.sound.plug(sound_server.MICROPHONE)
    assert hall.ask("find_devices")["result"] == {"found": len(listed)}
    kinds = [(e["kind"], e["data"]["source"]) for e in hall.coordinator.events() if "device" in e["kind"]]
    name = f"pulse:{sound_server.MICROPHONE}"
    assert kinds == [("device_removed", name), ("device_added", name)]
    printed = hall.unit.cli("devices")
    assert printed.returncode == 0 and name in printed.stdout
    hall.ask("postpone_check")  # the hall's microphone came back, so a check is due


def a_tone_is_played_or_it_is_said_why_not(hall: Hall) -> None:
    refused = hall.ask("tone")
    assert refused["error"] == "device_failed", "no loudspeaker is configured"
    assert hall.ask("tone", output="pulse:no-such-thing")["error"] == "device_failed"
    played = hall.unit.folder / "played.s16"
    assert hall.ask("tone", output=f"file:{played}")["ok"]
    assert played.stat().st_size > 48_000 * 2
    assert hall.ask("tone", output=f"pulse:{sound_server.SPEAKER}")["ok"]


def a_picture_of_the_room_is_taken_only_where_it_may_be(hall: Hall) -> None:
    assert hall.ask("room_picture", camera="synthetic")["error"] == "not_allowed"
    hall.configure(privacy={"room_pictures": True}, camera={"source": "synthetic"})
    began = time.time()
    answer = hall.ask("room_picture", camera="synthetic")
    assert answer["ok"] and answer["result"]["width"] == 320, answer
    path, kind, token, data = hall.pictures[-1]
    assert path == "/api/v1/units/u/room-picture?camera=synthetic" and token == f"Bearer {TOKEN}"
    assert kind == "image/jpeg" and Image.open(io.BytesIO(data)).size == (320, 180)
    events = [e for e in hall.coordinator.events() if e["kind"].startswith("camera_")]
    assert [event["kind"] for event in events][-2:] == ["camera_opened", "camera_closed"]
    told = [line for line in hall.unit.told("screen") if line["type"] == "show"]
    announced = next(line for line in told if line["heard_at"] > began and line["privacy"]["opens_at"])
    opened = next(line for line in told if line["heard_at"] > began and line["privacy"]["camera"])
    assert announced["privacy"]["reason"] == "picture"
    assert opened["heard_at"] - announced["heard_at"] > 4, "the hall has time to say no"
    command = hall.coordinator.command("room_picture")
    until(lambda: hall.unit.told("screen")[-1]["privacy"]["opens_at"])
    assert hall.ask("room_picture")["error"] == "occupied", "one at a time"
    assert hall.unit.cli("stop").returncode == 0
    assert hall.coordinator.ack(command, 20)["error"] == "stopped" and len(hall.pictures) == 1
