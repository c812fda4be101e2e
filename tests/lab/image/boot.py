"""Rows of part `image`: a flashed box shows its digits, is enrolled by them, checks its room and meets."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import zxingcpp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from diemcau_controller.config import StateDir
from diemcau_controller.demo.halls import MAIN, halls
from diemcau_controller.demo.network import Network
from diemcau_controller.demo.stage import Stage
from diemcau_controller.namespace import ADDRESS
from playwright.sync_api import sync_playwright

from tests.browser.room_page import FLAGS
from tests.lab.machine import until
from tests.lab.report import Evidence, NotShown
from tests.lab.rtsp_peer import RtspPeer
from tests.lab.vm.real_hall import GATEWAY, VIDEO, _line
from tests.lab.vm.time_server import TimeServer

from .box import Box, Plain

SITE, SITE_NAME, TECHNICIAN = "xa-ea-kpam", "Hội trường xã Ea Kpam", "tuan"
PLAIN_ADDRESS = "203.0.113.3"
ROWS = [
    "a plain Debian with the same kernel, to its sshd",
    "the image boots to the enrolment screen",
    "a phone enrols it by the code on that picture, and it checks its room",
    "it joins a meeting and shows the main hall",
    "the plug is pulled, and it is back by itself",
]
MEANS = ROWS[1:3]
"""Without these nothing else can be seen of a box."""
PHONE = {"width": 360, "height": 740}
_BOOT_LIMIT_S = 600
_CAMERA = ("--width", "320", "--height", "180", "--fps", "5", "--gop", "5")


@dataclass
class Hall:
    """The stage, and the box on it; `plain_from` is what `plain` is flashed with. `code` is what the
    code on the box's screen says; `former` names the start of the box that `leave` ended."""

    stage: Stage
    box: Box
    plain: Plain
    plain_from: Path
    code: str = ""
    plain_s: float = 0.0
    former: str = ""

    def unit(self) -> dict[str, Any]:
        """What the controller knows of the box."""
        return dict(self.stage.api.get(f"/api/v1/sites/{SITE}")["unit"] or {})

    def settled(self) -> bool:
        """Whether it is there and runs what is meant for it."""
        unit = self.unit()
        return unit.get("status") == "online" and all(
            unit[one]["reported"] == unit[one]["desired"] is not None for one in ("config", "schedule")
        )

    def leave(self, how: Callable[[], object]) -> None:
        """Let the box end: pull its plug, or restart it. What is known of it is of that start from now on."""
        self.former = self.unit().get("boot_id") or ""
        how()

    def is_back(self) -> bool:
        """Whether it is there and runs what is meant for it, started after `leave`."""
        return self.settled() and self.unit()["boot_id"] != self.former

    def until(self, reached: Callable[[], Any], seconds: float, failure: str) -> Any:
        """Wait until `reached` gives something true, and give that. Raises :class:`NotShown`."""
        return until(self.stage, reached, seconds, failure, NotShown)


Show = Callable[[Hall, Evidence], str]
"""Gives what was seen. Raises :class:`NotShown`."""


def plain(hall: Hall, evidence: Evidence) -> str:
    """How long the same hardware takes to a log-in by SSH."""

    def answers() -> bool:
        try:
            with socket.create_connection((PLAIN_ADDRESS, 22), timeout=2) as line:
                return line.recv(4) == b"SSH-"
        except OSError:
            return False

    hall.plain.flash(hall.plain_from)
    began = time.monotonic()
    hall.plain.start()
    try:
        hall.until(answers, _BOOT_LIMIT_S, "no sshd answers")
        hall.plain_s = time.monotonic() - began
    finally:
        hall.plain.stop()
    return f"its sshd answers {hall.plain_s:.0f} s after power"


def enrolment_screen(hall: Hall, evidence: Evidence) -> str:
    began, picture = time.monotonic(), evidence.path("png")
    hall.box.start()
    try:
        hall.code = hall.until(partial(hall.box.code, picture), _BOOT_LIMIT_S, "no code on the screen")
    finally:
        hall.box.shown(picture)
    took = time.monotonic() - began
    beside = f", {took / hall.plain_s:.2f} times the plain one's" if hall.plain_s else ""
    return f"{hall.code} read off the screen {took:.0f} s after power{beside}"


def enrolled(hall: Hall, evidence: Evidence) -> str:
    api = hall.stage.api
    api.post("/api/v1/users", {"name": TECHNICIAN, "role": "technician", "sites": [SITE]})
    api.post("/api/v1/work-orders", {"site": SITE, "what": "install", "technician": TECHNICIAN})
    token = api.post(f"/api/v1/users/{TECHNICIAN}/token")["token"]
    origin, began = hall.code.partition("/e#")[0], time.monotonic()
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_context(viewport=PHONE, ignore_https_errors=True).new_page()  # type: ignore[arg-type]
        page.goto(f"{origin}/?token={token}")
        page.goto(hall.code)  # what the phone's camera opens
        page.get_by_role("button", name="Tiếp tục", exact=True).first.click()
        page.get_by_role("button", name=f"Lắp máy này ở {SITE_NAME}", exact=True).first.click()

        def verdict() -> str:
            page.wait_for_timeout(500)
            said = page.locator("main").inner_text()
            found = re.search(rf"{SITE_NAME} (đã |chưa )?sẵn sàng.*", said)
            return found[0] if found and found[1] != "chưa " else ""

        try:
            said = hall.until(verdict, 400, "the phone does not say that the room is ready")
        finally:
            page.screenshot(path=evidence.path("phone.png"), full_page=True)
            evidence.json("unit", hall.unit())
            hall.box.shown(evidence.path("png"))
        browser.close()
    return f"«{said}» on the phone {time.monotonic() - began:.0f} s after it opened the code"


def meets(hall: Hall, evidence: Evidence) -> str:
    began, picture = time.monotonic(), evidence.path("png")
    meeting = hall.stage.add_meeting("Họp giao ban thử", 20, 1200, opens_before_s=60)

    def main_hall() -> str:
        codes = zxingcpp.read_barcodes(hall.box.shown(picture))
        return next((one.text for one in codes if one.text.startswith(f"DC1 {MAIN} ")), "")

    try:
        code = hall.until(main_hall, 400, "the main hall is not seen on its screen")
        age_s = time.time() - int(code.split()[2]) / 1000
    finally:
        hall.stage.api.post(f"/api/v1/meetings/{meeting}/close")
    took = time.monotonic() - began
    return f"the main hall's picture, {age_s:.1f} s old, is on its screen {took:.0f} s after the invitation"


def back(hall: Hall, evidence: Evidence) -> str:
    hall.leave(hall.box.stop)
    began = time.monotonic()
    hall.box.start()
    try:
        hall.until(hall.is_back, _BOOT_LIMIT_S, "it does not come back")
    finally:
        hall.box.shown(evidence.path("png"))
    return f"online with its configuration {time.monotonic() - began:.0f} s after it has power again"


SHOWS: dict[str, Show] = dict(zip(ROWS, (plain, enrolment_screen, enrolled, meets, back), strict=True))


@contextmanager
def hall_of(folder: Path, image: Path, plain: Path, boxes: Path, kind: type[Box] = Box) -> Iterator[Hall]:
    """The coordinator's side in this namespace, a site, and a box that was flashed for it, switched off."""
    _line()
    page = socket.create_server(("127.0.0.1", 0))
    main, other = halls({}, {})[:2]
    box, beside = kind(boxes / "first", uplink="hall0"), Plain(boxes / "plain", uplink="hall0")
    with (
        page,
        TimeServer(GATEWAY),
        RtspPeer(*_CAMERA) as camera,
        Stage(folder, [main], Network(ADDRESS, page), (), video=VIDEO) as stage,
    ):
        stage.start_services(time.monotonic() + 120)
        stage.add_sites()
        hall = replace(other, id=SITE, name=SITE_NAME)
        stage.api.post(
            "/api/v1/sites",
            {
                "id": SITE,
                "name": SITE_NAME,
                "contacts": [{"name": "H'Linh Niê", "phone": "0262 3 834 002"}],
                "camera": camera.url,
                "microphone": "tone:590",
                "sound": "none",
                "television": "none",
                "buttons": "none",
                "morning_at": None,
                "video": VIDEO,
            },
        )
        stage.start_units(time.monotonic() + 120)
        stage.halls.append(hall)  # from now on in every meeting
        box.flash(image, boot_file(stage))
        try:
            yield Hall(stage, box, beside, plain)
        finally:
            box.stop()
            beside.stop()


def boot_file(stage: Stage) -> str:
    """What a technician types for a hall whose cable gives no address."""
    trusted = StateDir(stage.root).ca_certificate.read_bytes()
    roots = [root.fingerprint(hashes.SHA256()).hex() for root in x509.load_pem_x509_certificates(trusted)]
    lines = [
        f'address = "https://{ADDRESS}:{stage._web}"',
        f"roots = [{', '.join(repr(root) for root in roots)}]",
        'contact = "Phòng Văn hóa – Xã hội"',
        'phone = "0905 123 456"',
        "[network]",
        'ip = "203.0.113.2/24"',
        f'gateway = "{GATEWAY}"',
    ]
    return "\n".join(lines) + "\n"
