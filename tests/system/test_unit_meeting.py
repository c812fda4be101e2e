"""The unit process in a meeting, with screen and media processes that die, hang and answer late."""

import http.server
import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import Channel

from tests.system.unit_side import Broker, Coordinator, UnitProcess, meeting, now, until

SESSION = {"joined", "dropped", "rejoined", "left", "join_failed"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker")
    yield made
    made.kill()


@pytest.fixture
def unit(tmp_path: Path, broker: Broker) -> Iterator[UnitProcess]:
    made = UnitProcess(tmp_path, broker.authority)
    made.start()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture
def coordinator(broker: Broker, unit: UnitProcess) -> Iterator[Coordinator]:
    made = Coordinator(broker.authority, unit.unit)
    made.online()
    yield made
    made.close()


def session_of(coordinator: Coordinator) -> list[str]:
    return [kind for kind in coordinator.kinds() if kind in SESSION]


def in_state(coordinator: Coordinator, state: str, seconds: float = 12) -> None:
    until(lambda: coordinator.last(Channel.REPORTED_SESSION).get("state") == state, seconds, f"not {state}")


def begin(coordinator: Coordinator, **more: object) -> None:
    coordinator.configure(**more)
    coordinator.schedule(meeting())
    in_state(coordinator, "in_meeting")


def views(unit: UnitProcess) -> list[str]:
    """The views the screen was told to show, without repetitions."""
    told = [line["view"] for line in unit.told("screen") if line["type"] == "show"]
    return [view for before, view in zip([None, *told], told, strict=False) if view != before]


def test_a_meeting_from_countdown_to_goodbye(unit: UnitProcess, coordinator: Coordinator) -> None:
    begin(coordinator, screen={"width": 640, "height": 360})
    coordinator.say(
        Channel.FLOOR, meeting="m1", seq=1, speakers=["tra-leng"], names={"tra-leng": "Trà Leng"}, at=now()
    )
    until(lambda: (unit.told("media") or [{}])[-1].get("video") == ["tra-leng", "trung-tam"])
    shown = until(
        lambda: (slots := unit.status()["session"]["slots"]) and slots[0]["frames_shown"] > 10 and slots
    )
    assert [slot["site"] for slot in shown] == ["tra-leng", "trung-tam"]
    coordinator.say(Channel.FLOOR, meeting="m1", seq=2, speakers=["tra-nam"], at=now())
    until(lambda: coordinator.last(Channel.REPORTED_SESSION).get("mic") == "open")
    coordinator.say(Channel.FLOOR, meeting="m1", seq=1, speakers=["tra-leng"], at=now())
    coordinator.say(Channel.FLOOR, meeting="m2", seq=9, speakers=["tra-leng"], at=now())
    assert coordinator.ack(coordinator.command("ping"))["ok"]
    assert coordinator.last(Channel.REPORTED_SESSION)["mic"] == "open"
    assert coordinator.ack(coordinator.command("preflight"))["error"] == "in_meeting"
    coordinator.schedule(meeting(closed=True), rev=2)
    in_state(coordinator, "leaving")
    in_state(coordinator, "idle")
    until(lambda: unit.pid("media") is None)
    before = ["booted", "camera_opened", "microphone_opened"]
    after = ["camera_closed", "microphone_closed", "left"]
    until(lambda: coordinator.kinds() == [*before, "joined", "floor_taken", "floor_left", *after])
    start = next(line for line in unit.told("media") if line["type"] == "start")
    assert start["join"]["room"] == "r1" and start["site"] == "tra-nam" and start["previous_session"] is None
    assert unit.told("media")[-1]["type"] == "stop"
    assert views(unit)[-4:] == ["countdown", "meeting", "goodbye", "idle"]


def test_media_and_screen_killed_in_a_meeting_come_back(unit: UnitProcess, coordinator: Coordinator) -> None:
    begin(coordinator)
    media, screen = unit.pid("media"), unit.pid("screen")
    os.kill(media or 0, signal.SIGKILL)
    until(lambda: session_of(coordinator) == ["joined", "dropped", "rejoined"])
    starts = [line for line in unit.told("media") if line["type"] == "start"]
    assert starts[1]["previous_session"] == media, "the ghost of the old one is to be destroyed"
    unit.ask("media-fault")
    until(lambda: session_of(coordinator)[3:] == ["dropped", "rejoined"])
    os.kill(screen or 0, signal.SIGKILL)
    until(lambda: unit.pid("screen") not in (None, screen))
    until(lambda: unit.told("screen")[-1]["view"] == "meeting")
    assert coordinator.ack(coordinator.command("restart_media"))["ok"] is True
    until(lambda: session_of(coordinator)[5:] == ["dropped", "rejoined"])


def test_media_and_screen_that_hang_are_replaced(unit: UnitProcess, coordinator: Coordinator) -> None:
    begin(coordinator)
    media, screen = unit.pid("media"), unit.pid("screen")
    unit.ask("media-hangs")
    unit.ask("screen-hangs")
    until(lambda: session_of(coordinator) == ["joined", "dropped", "rejoined"], 15)
    until(lambda: unit.pid("screen") not in (None, screen), 25)
    assert unit.pid("media") not in (None, media)


def test_a_unit_told_to_end_leaves_first(unit: UnitProcess, coordinator: Coordinator) -> None:
    begin(coordinator)
    children = [unit.pid("media"), unit.pid("screen")]
    began = time.monotonic()
    assert unit.stop() == 0
    assert time.monotonic() - began < 4
    assert not any(psutil.pid_exists(child or 0) for child in children)
    assert unit.told("media")[-1]["type"] == "stop"
    until(lambda: session_of(coordinator) == ["joined", "left"])
    until(lambda: coordinator.last(Channel.STATE)["status"] == "offline")


def test_a_unit_killed_in_a_meeting_says_so_when_it_is_back(
    unit: UnitProcess, coordinator: Coordinator
) -> None:
    begin(coordinator)
    children = [unit.pid("media"), unit.pid("screen")]
    unit.stop(signal.SIGKILL)
    until(
        lambda: not any(psutil.pid_exists(child or 0) for child in children), 5, "a child outlived the unit"
    )
    unit.start()
    until(lambda: session_of(coordinator) == ["joined", "dropped", "rejoined"], 15)
    until(lambda: unit.status()["outbox"]["pending"] == 0)
    assert len(coordinator.events()) == len(unit.cli("events", "--json").stdout.splitlines())


def test_without_restart_what_ended_stays_ended(tmp_path: Path, broker: Broker) -> None:
    unit = UnitProcess(tmp_path, broker.authority, restart=False)
    unit.start()
    coordinator = Coordinator(broker.authority, unit.unit)
    try:
        coordinator.online()
        begin(coordinator)
        os.kill(unit.pid("media") or 0, signal.SIGKILL)
        os.kill(unit.pid("screen") or 0, signal.SIGKILL)
        in_state(coordinator, "reconnecting")
        time.sleep(3)
        assert [p["role"] for p in unit.status()["processes"]] == ["unit"]
    finally:
        unit.process.kill()
        unit.process.wait()
        coordinator.close()


def test_a_meeting_needs_neither_controller_nor_broker(
    broker: Broker, unit: UnitProcess, coordinator: Coordinator
) -> None:
    coordinator.configure()
    coordinator.schedule(meeting(opens_s=6))
    until(lambda: coordinator.last(Channel.REPORTED_SCHEDULE).get("rev") == 1)
    broker.kill()
    unit.stop(signal.SIGKILL)
    unit.start()
    until(unit.attends, 20)
    status = unit.status()
    assert status["link"] is False and status["session"]["slots"][0]["site"] == "trung-tam"
    broker.start()
    until(lambda: session_of(coordinator) == ["joined"], 15)


def test_the_command_line(unit: UnitProcess, coordinator: Coordinator, tmp_path: Path) -> None:
    coordinator.configure()
    until(lambda: unit.status()["epoch"] == 1)
    assert set(unit.status()) == {
        *("unit", "site", "epoch", "version", "boot_id", "link", "rev", "session", "processes", "outbox"),
        *("refused", "readiness", "checking", "local", "keypad", "devices"),
    }
    assert "tra-nam" in unit.cli("status").stdout
    ready = unit.cli("preflight", "--json")
    assert ready.returncode == 0 and json.loads(ready.stdout)["verdict"] == "ready"
    (unit.folder / "media-measured").write_text(
        json.dumps({"camera": {"why": "refused", "text": "wrong password"}})
    )
    unit.ask("check-hangs")
    not_ready = unit.cli("preflight")
    assert not_ready.returncode == 1 and "camera_refused: wrong password" in not_ready.stdout
    assert "media_hung" in not_ready.stdout, "a fresh process took over, and measured"
    readiness = unit.told("screen")[-1]["readiness"]
    assert (readiness["verdict"], readiness["instruction"]) == ("not_ready", "camera_refused")
    picture = tmp_path / "screen.png"
    assert unit.cli("snapshot", str(picture)).returncode == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "booted" in unit.cli("events").stdout
    assert unit.cli("run").returncode == 1, "a second one in the same folder"
    assert unit.cli("coffee").returncode == 2
    unit.stop()
    gone = unit.cli("status")
    assert gone.returncode == 1 and gone.stderr.count("\n") == 1 and "start it with" in gone.stderr


class Upload(http.server.BaseHTTPRequestHandler):
    """Takes one picture."""

    got: list[tuple[str, str | None, bytes]]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers["Authorization"], body))
        self.send_response(204 if self.path == "/pictures/tra-nam" else 403)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        return


def test_a_picture_goes_to_the_controller(
    broker: Broker, unit: UnitProcess, coordinator: Coordinator
) -> None:
    key, certificate = broker.authority.server_certificate([], [ADDRESS])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    Upload.got = []
    server = http.server.HTTPServer((ADDRESS, 28885), Upload)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        upload = {"url": f"https://{ADDRESS}:28885/pictures/tra-nam", "token": "t" * 20}
        coordinator.configure(upload=upload)
        until(lambda: coordinator.last(Channel.REPORTED_CONFIG).get("rev") == 1)
        until(lambda: unit.pid("screen"))
        assert coordinator.ack(coordinator.command("picture"))["result"]["width"] == 1
        path, token, body = Upload.got[0]
        assert (path, token) == ("/pictures/tra-nam", f"Bearer {'t' * 20}") and body.startswith(b"\x89PNG")
        coordinator.configure(rev=2, upload={**upload, "url": f"https://{ADDRESS}:28885/elsewhere"})
        until(lambda: coordinator.last(Channel.REPORTED_CONFIG).get("rev") == 2)
        refused = coordinator.ack(coordinator.command("picture"))
        assert refused["error"] == "picture_failed" and "403" in refused["text"]
        assert not list((unit.state / "run").glob("picture-*"))
    finally:
        server.shutdown()
        server.server_close()


def test_the_unit_process_is_small(unit: UnitProcess, coordinator: Coordinator) -> None:
    begin(coordinator)
    pss = psutil.Process(unit.process.pid).memory_full_info().pss
    print(f"unit process: {pss / 2**20:.1f} MB PSS")
    assert pss < 60 * 2**20
    modules = Path(f"/proc/{unit.process.pid}/maps").read_text()
    assert not any(name in modules for name in ("libavcodec", "/av/", "SDL2", "numpy"))
