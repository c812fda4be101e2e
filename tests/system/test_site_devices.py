"""The devices of a site, chosen on its page: what was found, addresses with passwords, trials, pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_controller.cli import app, sites
from diemcau_controller.cli.client import Api
from diemcau_controller.rules.sources import MASK
from diemcau_wire.messages import Command, DesiredConfig, Reported, ReportedDevices, Verb
from diemcau_wire.topics import Channel
from fastapi.testclient import TestClient
from PIL import Image
from typer.testing import CliRunner

from .office import UNIT, Office, furnished, online

SECRET = "rtsp://admin:b%40t-m%E1%BA%ADt@10.0.0.20:554/main"
DEVICES = "/sites/ea-kiet/devices"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path) as made:
        made.post.answering = made.controller
        online(made)
        yield made


def say(office: Office, channel: Channel, message: Any) -> None:
    batch = [Taken(channel, message)]
    office.writer.submit(lambda session: ingest(session, batch, office.time), urgent=True).result()


def found(office: Office, *devices: tuple[str, str, str]) -> None:
    listed = [{"device": device, "source": source, "name": name} for device, source, name in devices]
    said = {"unit": UNIT, "at": office.time, "devices": listed}
    say(office, Channel.REPORTED_DEVICES, ReportedDevices.model_validate(said))


def fields(**changed: Any) -> dict[str, Any]:
    usual = {"camera": "none", "microphone": "none", "sound": "none", "television": "none", "buttons": "auto"}
    return {**usual, "echo_cancellation": "yes", "check_tone": "yes", "morning_at": "07:00", **changed}


def as_role(office: Office, role: str) -> TestClient:
    office.add("users", name=f"a-{role}", role=role)
    client = TestClient(office.nobody.app, base_url="https://testserver")
    client.headers["Authorization"] = f"Bearer {office.add(f'users/a-{role}/token')['token']}"
    return client


def test_cameras_of_the_network_are_told_and_not_offered_without_a_password(office: Office) -> None:
    found(
        office,
        ("camera", "onvif://10.0.0.20:8080", "Camera <bục>"),
        ("camera", "v4l2:usb-046d_C920", "Webcam C920"),
    )
    page = office.http.get(DEVICES).text
    assert "<code>onvif://10.0.0.20:8080</code>" in page and "Camera &lt;bục&gt;" in page
    assert 'value="v4l2:usb-046d_C920"' in page and 'value="onvif://' not in page
    sent = fields(camera="other", camera_address="onvif://admin:b%40t@10.0.0.20:8080")
    assert office.http.post(DEVICES, data=sent, follow_redirects=False).status_code == 303
    assert office.get("sites/ea-kiet")["camera"] == "onvif://admin:b%40t@10.0.0.20:8080"


def picture(kind: str = "JPEG", size: tuple[int, int] = (640, 360)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#456").save(out, kind)
    return out.getvalue()


def test_what_was_found_is_chosen_and_the_unit_is_told(office: Office) -> None:
    found(
        office,
        ("camera", "v4l2:usb-046d_HD_Pro_1234", "HD Pro Webcam"),
        ("speaker", "pulse:alsa_output.usb-jabra", "Jabra Speak"),
        ("television", "cec:card0-HDMI-A-1", "SONY TV"),
    )
    page = office.http.get(DEVICES).text
    assert "HD Pro Webcam" in page and "Jabra Speak" in page and "SONY TV" in page
    office.post.take(DesiredConfig)
    chosen = fields(
        camera="v4l2:usb-046d_HD_Pro_1234", sound="pulse:alsa_output.usb-jabra", volume_percent="70"
    )
    answer = office.http.post(DEVICES, data=chosen | {"television": "cec", "morning_at": ""})
    assert answer.url.path == DEVICES, answer.text
    (config,) = office.post.take(DesiredConfig)
    assert config.camera.source == "v4l2:usb-046d_HD_Pro_1234" and config.sound.volume_percent == 70
    assert config.television.control == "cec" and config.checks.morning_at is None
    assert config.microphone.echo_cancellation and not config.privacy.room_pictures
    assert "chờ máy nhận" in answer.text
    told = Reported(unit=UNIT, rev=config.rev, epoch=config.epoch, at=office.time)
    say(office, Channel.REPORTED_CONFIG, told)
    assert "Máy đang dùng đúng cấu hình này" in office.http.get(f"{DEVICES}/part").text
    found(office)
    assert "chưa cắm vào máy" in office.http.get(DEVICES).text
    assert "chưa cắm vào máy" in office.http.get("/sites/ea-kiet").text


def test_the_unit_is_told_where_releases_are_nearer(office: Office) -> None:
    office.post.take(DesiredConfig)
    for neighbour in ("http://192.168.1.5:8080", None):
        office.http.patch("/api/v1/sites/ea-kiet", json={"neighbour": neighbour})
        (config,) = office.post.take(DesiredConfig)
        assert config.updates.neighbour == neighbour
    office.http.patch("/api/v1/sites/ea-kiet", json={"ssh_address": "10.20.0.7"})
    assert not office.post.take(DesiredConfig), "that is nothing to it"
    office.http.patch("/api/v1/sites/ea-kiet", json={"ssh_address": None})


def test_a_password_is_shown_to_nobody_and_kept(office: Office) -> None:
    office.http.post(DEVICES, data=fields(camera="other", camera_address=SECRET))
    assert office.get("sites/ea-kiet")["camera"] == SECRET
    shown = SECRET.replace("b%40t-m%E1%BA%ADt", MASK)
    page = office.http.get(DEVICES).text
    assert shown in page and "b%40t" not in page
    viewer = as_role(office, "viewer")
    assert viewer.get("/api/v1/sites/ea-kiet").json()["camera"] == shown
    assert "b%40t" not in viewer.get("/api/v1/sites").text + viewer.get("/api/v1/board").text
    assert "b%40t" not in viewer.get("/api/v1/sites/export").text + viewer.get("/sites/ea-kiet").text
    # saved as it was shown, it is still there; at another address it is not given away
    office.http.post(DEVICES, data=fields(camera="other", camera_address=shown, check_tone="yes"))
    assert office.get("sites/ea-kiet")["camera"] == SECRET
    elsewhere = fields(camera="other", camera_address=shown.replace("10.0.0.20", "10.0.0.66"))
    answer = office.http.post(DEVICES, data=elsewhere)
    assert answer.status_code == 422 and "nhập lại cả mật khẩu" in answer.text
    office.http.patch("/api/v1/sites/ea-kiet", json={"camera": SECRET.replace("b%40t", "moi")})
    audit = office.http.get("/api/v1/audit").text + office.http.get("/audit").text
    assert "b%40t" not in audit and "moi-m" not in audit and "new password" in audit


WRONG = (
    ({"camera": "other", "camera_address": "webcam"}, "Camera ghi dạng"),
    ({"camera": "other", "camera_address": "rtsp://ten:mat/khau@10.0.0.2/1"}, "Camera ghi dạng"),
    ({"camera_small": "hình nhỏ"}, "Hình nhỏ ghi dạng"),
    ({"camera_onvif": "10.0.0.2"}, "Địa chỉ điều khiển camera"),
    ({"microphone": "other", "microphone_address": "hw:0"}, "Micrô ghi dạng"),
    ({"volume_percent": "150"}, "Âm lượng là số"),
    ({"volume_percent": "to"}, "Âm lượng là số"),
    ({"morning_at": "7h"}, "Giờ kiểm tra buổi sáng"),
    ({"television": "hdmi"}, "Tivi ghi dạng"),
    ({"buttons": "/dev/input/event3"}, "Bàn phím ghi dạng"),
)


def test_what_cannot_be_is_said_and_nothing_is_lost(office: Office) -> None:
    before = office.get("sites/ea-kiet")
    for wrong, said in WRONG:
        answer = office.http.post(f"{DEVICES}?lang=vi", data=fields(camera_preset="Bục phát biểu") | wrong)
        assert answer.status_code == 422 and said in answer.text and "Bục phát biểu" in answer.text, wrong
        english = office.http.post(f"{DEVICES}?lang=en", data=fields(camera_preset="Bục phát biểu") | wrong)
        assert english.status_code == 422 and said not in english.text, wrong
    assert office.get("sites/ea-kiet") == before


def test_the_room_does_what_it_is_asked(office: Office) -> None:
    for verb, device in (
        (Verb.TONE, {"output": "pulse:x"}),
        (Verb.FIND_DEVICES, {}),
        (Verb.POSTPONE_CHECK, {}),
        (Verb.PREFLIGHT, {}),
    ):
        office.post.letters.clear()
        answer = office.http.post("/sites/ea-kiet/ask", data={"verb": verb.value, **device})
        assert answer.status_code == 200
        (command,) = [one for one in office.post.take(Command)]
        assert (command.verb, command.args) == (verb, device)
    assert office.http.post("/sites/ea-kiet/ask", data={"verb": "ping"}).status_code == 404
    refused = office.http.post("/sites/ea-kiet/ask", data={"verb": "room_picture"})
    assert "chưa cho phép chụp" in refused.text
    assert as_role(office, "secretary").post("/sites/ea-kiet/ask", data={"verb": "tone"}).status_code == 403


def test_a_picture_of_the_room_where_the_site_allows_it(office: Office) -> None:
    office.http.patch("/api/v1/sites/ea-kiet", json={"camera": SECRET})
    config = office.post.take(DesiredConfig)[-1]
    assert config.upload is not None
    address = config.upload.url.removeprefix("https://192.0.2.1:8443").replace("/picture", "/room-picture")
    unit = TestClient(office.nobody.app, base_url="https://testserver")
    unit.headers["Authorization"] = f"Bearer {config.upload.token}"

    def put(data: bytes, token: str | None = None) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"X-Client-Verify": "SUCCESS", "X-Client-Subject": f"CN={UNIT}", "X-Client-Serial": "0A"}
        return unit.put(address, params={"camera": SECRET}, content=data, headers=headers).status_code

    assert put(picture()) == 409
    office.http.patch("/api/v1/sites/ea-kiet", json={"room_pictures": True})
    assert put(picture(), office.token) == 401
    for kind in ("PNG", "JPEG", "WEBP"):
        assert put(picture(kind)) == 204
    for garbage in (b"", b"GIF89a", picture()[:200], picture("PNG", (5000, 5000)), b"x" * 3_000_000):
        assert put(garbage) == 422
    page = office.http.get(DEVICES).text
    assert "/room-picture?camera=" in page and "b%40t" not in page and "b%2540t" not in page
    seen = office.http.get(address, params={"camera": SECRET})
    assert seen.status_code == 200 and Image.open(io.BytesIO(seen.content)).format == "WEBP"
    assert as_role(office, "secretary").get(address, params={"camera": SECRET}).status_code == 403
    office.later(hours=25)
    assert office.http.get(address, params={"camera": SECRET}).status_code == 404
    assert put(picture()) == 204
    office.http.patch("/api/v1/sites/ea-kiet", json={"room_pictures": False})
    assert office.http.get(address, params={"camera": SECRET}).status_code == 404
    assert list(office.state.pictures.glob("*room*")) == []


def test_devices_from_the_command_line(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def controller(_state_dir: object) -> Iterator[Api]:
        yield Api(office.http, {})

    monkeypatch.setattr(sites, "controller", controller)

    def run(*words: str) -> int:
        return CliRunner().invoke(app, ["site", "set", "ea-kiet", *words]).exit_code

    assert run("--camera", "v4l2:usb-x", "--volume", "60", "--no-check-tone", "--morning-at", "") == 0
    known = office.get("sites/ea-kiet")
    assert (known["camera"], known["volume_percent"], known["morning_at"]) == ("v4l2:usb-x", 60, None)
    assert known["check_tone"] is False and known["microphone"] == "none"
    assert run("--volume", "", "--morning-at", "06:45") == 0
    known = office.get("sites/ea-kiet")
    assert (known["volume_percent"], known["morning_at"], known["camera"]) == (None, "06:45", "v4l2:usb-x")
    assert run("--camera", "webcam") == 1 and run() == 1
