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
from diemcau_agent.ipc import Garbage, decode_line, encode_line
from diemcau_controller.demo.processes import Process, end_all
from diemcau_controller.demo.stage import Stage
from diemcau_controller.demo.voices import Tone
from diemcau_wire.enrolment import Verdict
from diemcau_wire.unix_socket import connect
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.browser.page_checks import chromium, window
from tests.system import copied_units
from tests.system.asking_unit import AskingUnit
from tests.system.cut_line import CutLine
from tests.system.heard_tone import HeardTone
from tests.system.one_hall import BIN, PATIENCE_S, run, staged, until

pytestmark = pytest.mark.namespace

READY_S = 60.0
CUT_S = 5.0
FLAGGED_S = 60.0
GAP_S = 2.0
COPIES = 50
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
def line_and_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CutLine, Stage]]:
    """Two halls with their units, the first on a line to the broker that can be cut; and a third place that
    has none."""
    with staged(tmp_path_factory.mktemp("enrolment") / "office", 2) as made:
        made.api.post("/api/v1/sites", {"id": "moi", "name": "Hội trường xã mới", "camera": "synthetic"})
        way = made.unit_folder(made.halls[0].id) / "identity/coordinator.json"
        known = json.loads(way.read_text())
        line = CutLine(known["mqtt_host"], known["mqtt_port"])
        nowhere = "https://127.0.0.1:1"  # or it would hear there where the broker really is
        way.write_text(json.dumps({**known, "mqtt_port": line.port, "web_url": nowhere}))
        made.start_units(time.monotonic() + PATIENCE_S)
        yield line, made
        line.close()


@pytest.fixture(scope="module")
def stage(line_and_stage: tuple[CutLine, Stage]) -> Stage:
    return line_and_stage[1]


@pytest.fixture(scope="module")
def line(line_and_stage: tuple[CutLine, Stage]) -> CutLine:
    return line_and_stage[0]


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
    try:
        with connect(folder / "run/unit.sock") as asking:
            asking.settimeout(10)
            asking.sendall(encode_line({"type": "status"}))
            return decode_line(asking.makefile("rb").readline())
    except (OSError, Garbage):  # it is being switched on, or off
        return {}


def inside(folder: Path, occurrence: str) -> bool:
    session = report(folder).get("session") or {}
    return (session.get("meeting"), session.get("state")) == (occurrence, "in_meeting")


def test_a_copied_disk_shows_and_nobody_is_thrown_out(stage: Stage, occurrence: str) -> None:
    hall = stage.halls[1].id
    original, main = stage.unit_folder(hall), stage.unit_folder(stage.halls[0].id)
    unit = unit_at(stage, hall)["id"]
    stage.api.post(f"/api/v1/meetings/{occurrence}/floor", {"verb": "grant", "site": hall})
    until(lambda: _slot(report(main), hall), 20, "the main site does not see it")
    tone, played = stage.halls[1].voice, stage.playout(stage.halls[0].id)
    assert isinstance(tone, Tone)
    until(lambda: HeardTone.sounds(played, tone.hertz), 20, "the main site does not hear it")
    media = {p["pid"] for p in report(original)["processes"]}
    listened = HeardTone(played, tone.hertz)
    copy = Box(stage, "copy", original)
    try:
        began = time.monotonic()
        until(lambda: stage.api.get("/api/v1/clones"), FLAGGED_S, "nobody notices")
        print(f"copy switched on → both flagged {time.monotonic() - began:.1f} s")
        (case,) = stage.api.get("/api/v1/clones")
        assert case["unit"] == unit and len(case["boots"]) >= 2
        frames, gap = _watched(main, hall, 15)
        silent, seconds = listened.longest_gap()
        print(
            f"longest the main site saw nothing new of the hall: {gap:.1f} s, heard nothing of it: "
            f"{silent:.2f} s of {seconds:.0f} s"
        )
        assert frames and gap <= 4 and silent <= GAP_S, "the original is disturbed"
        assert unit_at(stage, hall)["id"] == unit and inside(original, occurrence)
        assert {p["pid"] for p in report(original)["processes"]} == media
    finally:
        copy.end()
    stage.api.post(f"/api/v1/clones/{case['number']}/decide", {"verdict": "mistaken"})
    assert stage.api.get("/api/v1/clones") == []


def test_a_spare_takes_the_place_of_a_unit_in_a_meeting(stage: Stage, line: CutLine, occurrence: str) -> None:
    hall = stage.halls[1].id
    old, old_folder = unit_at(stage, hall)["id"], stage.unit_folder(hall)
    main = stage.unit_folder(stage.halls[0].id)
    thief = shutil.copytree(old_folder, stage.root / "thief", ignore=NO_SOCKETS)
    pin = _pin(stage, occurrence)
    media = {p["pid"] for p in report(main)["processes"] if p["role"] == "media"}

    box = Box(stage, "spare")
    try:
        code = box.code()
        line.cut()  # the main site hears nothing of it meanwhile
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
        new = _pin(stage, occurrence)
        assert new != pin and new not in (main / "desired/schedule.json").read_text()
        line.mend()
        until(lambda: new in (main / "desired/schedule.json").read_text(), 60, "it does not get the new PIN")
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


def test_fifty_copies_at_the_broker_are_flagged_within_a_minute(stage: Stage) -> None:
    """By the real clock; in `test_copied_identities.py` without one."""
    port = json.loads((stage.root / "generated/controller.json").read_text())["mqtt_port"]
    disks = copied_units.new_units(stage, COPIES, int(port))
    units = {disk.unit for disk in disks}
    originals = [copied_units.Box(disk, f"box-{n}", 1) for n, disk in enumerate(disks)]
    copies: list[copied_units.Box] = []
    try:
        until(lambda: all(box.connections == 1 for box in originals), PATIENCE_S, "not every unit connects")
        copies += [
            copied_units.Box(disk.copied(disk.folder.with_suffix(".copy")), f"other-{n}", original.count)
            for n, (disk, original) in enumerate(zip(disks, originals, strict=True))
        ]
        until(lambda: all(box.connections == 1 for box in copies), PATIENCE_S, "not every copy connects")
        began = time.monotonic()
        boxes, measured = [*originals, *copies], 0
        while not units <= {case["unit"] for case in stage.api.get("/api/v1/clones")}:
            assert time.monotonic() - began < FLAGGED_S, "not every copy is flagged"
            due = int((time.monotonic() - began) / copied_units.INTERVAL_S * len(boxes))
            for number in range(measured, due):  # one after the other, each every ten seconds
                boxes[number % len(boxes)].measure()
            measured = due
            time.sleep(0.2)
        print(
            f"{COPIES} copies at the broker flagged {time.monotonic() - began:.1f} s after the last connected"
        )
        assert all(box.connected and box.connections == 1 for box in boxes), "nobody is shut out unasked"
    finally:
        for box in (*originals, *copies):
            box.close()


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
