"""A box becomes a unit, and a spare takes the place of one that is in a meeting.

The real Mosquitto, nginx, porter, Janus, controller and agent, and a technician whose phone reads the
code off the screen of the box; how long each step took is printed.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import zxingcpp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from diemcau_controller.demo.processes import Process, end_all
from diemcau_controller.demo.stage import Stage
from diemcau_wire.enrolment import Verdict
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.browser.page_checks import chromium, window
from tests.system.asking_unit import AskingUnit
from tests.system.one_hall import BIN, PATIENCE_S, run, staged, until

pytestmark = pytest.mark.namespace

READY_S = 60.0
CUT_S = 5.0
FLAGGED_S = 60.0
NO_SOCKETS = shutil.ignore_patterns("*.sock", "janus")
Json = dict[str, Any]


class Box:
    """A box with the product on it and nothing else: its state folder and its process."""

    def __init__(self, stage: Stage, name: str, disk: Path | None = None) -> None:
        """`disk`: the state folder its own is a copy of."""
        self.stage, self.folder = stage, stage.root / "boxes" / name
        if disk is None:
            self.folder.mkdir(parents=True)
        else:
            shutil.copytree(disk, self.folder, ignore=NO_SOCKETS)
        boot = self.folder.with_suffix(".toml")
        boot.write_text(f'address = "{stage.api.url}"\nserial = "DC-{name}"\n')
        self.process = Process(
            name,
            [str(BIN / "diemcau-agent"), "run", "--state-dir", str(self.folder)],
            self.folder.with_suffix(".log"),
            restart=False,
            env={
                "SDL_VIDEODRIVER": "dummy",
                "DIEMCAU_BOOT_FILES": str(boot),
                "DIEMCAU_CODE_CAMERA": "none",
                "DIEMCAU_SYSFS": str(self.folder.with_suffix(".sys")),  # another machine than this one
            },
        )

    def code(self) -> str:
        """The digits on its screen."""
        return str(until(lambda: (report(self.folder).get("enrolment") or {}).get("code"), 30, "no code"))

    def scanned(self) -> str:
        """What a phone's camera reads off its screen."""
        self.code()
        picture = self.folder.with_suffix(".png")
        assert run("diemcau-agent", "snapshot", str(picture), "--state-dir", str(self.folder)).returncode == 0
        (found,) = zxingcpp.read_barcodes(Image.open(picture))
        return str(found.text)

    def end(self) -> None:
        end_all([self.process])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two halls with their units, and a third place that has none."""
    with staged(tmp_path_factory.mktemp("enrolment") / "office", 2) as made:
        made.api.post("/api/v1/sites", {"id": "moi", "name": "Hội trường xã mới", "camera": "synthetic"})
        made.start_units(time.monotonic() + PATIENCE_S)
        yield made


def approve(stage: Stage, code: str, site: str, what: str) -> Json:
    body = {"code": code, "site": site, "what": what}
    return dict(stage.api.post("/api/v1/enrolments/approve", body))


def technician(stage: Stage, site: str) -> str:
    """Somebody with a work order for that site; his token."""
    user = {"name": "tuan", "role": "technician", "sites": [site]}
    stage.api.post("/api/v1/users", user)
    stage.api.post("/api/v1/work-orders", {"site": site, "what": "install", "technician": "tuan"})
    return str(stage.api.post("/api/v1/users/tuan/token", {})["token"])


def unit_at(stage: Stage, site: str) -> Json:
    return dict(stage.api.get(f"/api/v1/sites/{site}")["unit"] or {})


def test_a_blank_box_becomes_a_unit_and_its_room_is_checked(stage: Stage, browser: Browser) -> None:
    box = Box(stage, "blank")
    try:
        began = time.monotonic()
        scanned = box.scanned()
        shown = time.monotonic() - began
        with window(browser, stage.api.url, technician(stage, "moi"), 360) as phone:
            page = phone.page
            page.goto(scanned)  # what the phone's camera opens
            page.get_by_role("button", name="Tiếp tục", exact=True).click()
            page.get_by_role("button", name="Lắp máy này ở Hội trường xã mới").click()
            decided = time.monotonic()
            expect(page.locator("main")).to_contain_text("Đã duyệt", timeout=20_000)
            until(lambda: unit_at(stage, "moi").get("status") == "online", 30, "it does not connect")
            online = time.monotonic() - decided
            expect(page.locator("main")).to_contain_text("Công việc đã xong", timeout=100_000)
            phone.check(axe=False)
        print(
            f"code read {shown:.1f} s after power on; approval → connected {online:.1f} s, "
            f"→ ready on the phone {time.monotonic() - decided:.1f} s"
        )
        status, unit = report(box.folder), unit_at(stage, "moi")
        assert unit["readiness"]["verdict"] == "ready"
        assert (status["unit"], status["site"], status["epoch"]) == (unit["id"], "moi", 1)
        assert (box.folder / "identity/unit.key").stat().st_mode & 0o077 == 0
    finally:
        box.end()


@pytest.fixture(scope="module")
def occurrence(stage: Stage) -> str:
    """A meeting of the two halls that have units, which runs."""
    made = stage.add_meeting("Giao ban", 5, 900, opens_before_s=4)
    folders = [stage.unit_folder(hall.id) for hall in stage.halls]
    until(lambda: all(inside(folder, made) for folder in folders), 60, "the meeting does not begin")
    return made


def report(folder: Path) -> Json:
    """What the unit of a state folder says of itself."""
    done = run("diemcau-agent", "status", "--json", "--state-dir", str(folder))
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def inside(folder: Path, occurrence: str) -> bool:
    session = report(folder).get("session") or {}
    return (session.get("meeting"), session.get("state")) == (occurrence, "in_meeting")


def test_a_copied_disk_shows_and_nobody_is_thrown_out(stage: Stage, occurrence: str) -> None:
    hall = stage.halls[1].id
    original, main = stage.unit_folder(hall), stage.unit_folder(stage.halls[0].id)
    unit = unit_at(stage, hall)["id"]
    stage.api.post(f"/api/v1/meetings/{occurrence}/floor", {"verb": "grant", "site": hall})
    until(lambda: _slot(report(main), hall), 20, "the main site does not see it")
    media = {p["pid"] for p in report(original)["processes"]}
    copy = Box(stage, "copy", original)
    try:
        began = time.monotonic()
        until(lambda: stage.api.get("/api/v1/clones"), FLAGGED_S, "nobody notices")
        print(f"copy switched on → both flagged {time.monotonic() - began:.1f} s")
        (case,) = stage.api.get("/api/v1/clones")
        assert case["unit"] == unit and len(case["boots"]) >= 2
        frames, gap = _watched(main, hall, 15)
        print(f"longest the main site saw nothing new of the hall: {gap:.1f} s")
        assert frames and gap <= 4, "the original is disturbed"
        assert unit_at(stage, hall)["id"] == unit and inside(original, occurrence)
        assert {p["pid"] for p in report(original)["processes"]} == media
    finally:
        copy.end()
    stage.api.post(f"/api/v1/clones/{case['number']}/decide", {"verdict": "mistaken"})
    assert stage.api.get("/api/v1/clones") == []


def test_a_spare_takes_the_place_of_a_unit_in_a_meeting(stage: Stage, occurrence: str) -> None:
    hall = stage.halls[1].id
    old, old_folder = unit_at(stage, hall)["id"], stage.unit_folder(hall)
    main = stage.unit_folder(stage.halls[0].id)
    thief = shutil.copytree(old_folder, stage.root / "thief", ignore=NO_SOCKETS)
    pin = _pin(stage, occurrence)
    media = {p["pid"] for p in report(main)["processes"] if p["role"] == "media"}

    box = Box(stage, "spare")
    try:
        code = box.code()
        decided = time.monotonic()
        done = approve(stage, code, hall, "replace")
        assert (done["former"], done["epoch"]) == (old, 2)
        until(lambda: _gone(stage, old), CUT_S + 3, "the former unit's connection lives")
        cut = time.monotonic() - decided
        until(lambda: inside(box.folder, occurrence), READY_S, "the spare is not in the meeting")
        took = time.monotonic() - decided
        print(f"approval → former unit cut off {cut:.1f} s, → spare in the meeting {took:.1f} s")
        assert cut <= CUT_S and took <= READY_S

        assert inside(main, occurrence), "who was inside stays"
        assert {p["pid"] for p in report(main)["processes"] if p["role"] == "media"} == media
        assert _pin(stage, occurrence) != pin
        stage.api.post(f"/api/v1/meetings/{occurrence}/floor", {"verb": "grant", "site": hall})
        until(lambda: _slot(report(main), hall), 20, "the main site does not see the spare")

        until(lambda: "farewell" in report(old_folder), 60, "the former unit does not hear of it")
        assert report(old_folder)["farewell"]["verdict"] == "replaced"
        assert not list((old_folder / "identity").glob("*.key")), "it wiped its key"
        assert not (old_folder / "desired/schedule.json").exists()

        assert _as_thief(stage, thief).identity().verdict is Verdict.REPLACED
        tls = ssl.create_default_context(cafile=str(thief / "identity/ca.crt"))
        tls.load_cert_chain(thief / "identity/unit.crt", thief / "identity/unit.key")
        with httpx.Client(base_url=stage.api.url, verify=tls, trust_env=False) as http:
            assert http.get("/healthz").status_code == 403
            assert http.post("/api/v1/sites").status_code == 403
    finally:
        box.end()


def _watched(folder: Path, site: str, seconds: float) -> tuple[int, float]:
    """How often a site's picture was seen to go on meanwhile, and the longest time in which it did not."""
    frames, gap = 0, 0.0
    last, since = -1, time.monotonic()
    end = since + seconds
    while (now := time.monotonic()) < end:
        slots = (report(folder).get("session") or {}).get("slots", [])
        shown = next((slot["frames_shown"] for slot in slots if slot["site"] == site), 0)
        if shown != last:
            frames += last >= 0
            last, since = shown, now
        gap = max(gap, time.monotonic() - since)
        time.sleep(0.2)
    return frames, gap


def _pin(stage: Stage, occurrence: str) -> str:
    return str(stage.api.get(f"/api/v1/meetings/{occurrence}/join-info")["pin"])


def _gone(stage: Stage, unit: str) -> bool:
    """The broker and Janus know nothing of it any more: the cut is done, and written down as done."""
    with sqlite3.connect(f"file:{stage.root / 'controller.sqlite'}?mode=ro", uri=True) as database:
        row = database.execute("SELECT done_at FROM cut WHERE unit_id = ?", (unit,)).fetchone()
    return row is not None and row[0] is not None


def _slot(status: Json, site: str) -> bool:
    slots = (status.get("session") or {}).get("slots", [])
    return any(slot["site"] == site and slot["frames_shown"] > 0 for slot in slots)


def _as_thief(stage: Stage, folder: Path) -> AskingUnit:
    """Somebody with a copy of the former unit's key, who asks for its certificate."""
    tls = ssl.create_default_context(cafile=str(folder / "identity/ca.crt"))
    thief = AskingUnit(httpx.Client(base_url=stage.api.url, verify=tls, trust_env=False))
    key = serialization.load_pem_private_key((folder / "identity/unit.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    thief.become(key)
    return thief
