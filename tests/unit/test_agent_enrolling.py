"""How far a box is, what the hall sees after admission, which disk and box it is, which line it asks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from diemcau_agent.lifetime import PARENT
from diemcau_agent.network_line import commands
from diemcau_agent.rules.enrolling import CHECK_LIMIT, READY_SHOWN, Arrival, At, Progress, Step
from diemcau_agent.rules.verdict import Verdict
from diemcau_agent.screen.show import parse_show
from diemcau_agent.unit import joins
from diemcau_agent.unit.fingerprints import look

NOW = datetime(2026, 3, 12, 1, tzinfo=UTC)


def test_steps_come_one_after_the_other() -> None:
    way = Progress().doing(Step.TIME)
    stands = [way.at(step) for step in Step]
    assert stands == [At.DONE, At.DONE, At.DOING, At.AHEAD, At.AHEAD, At.AHEAD, At.AHEAD]
    assert way.failed(Step.ADDRESS, "unreachable").at(Step.ADDRESS) is At.FAILED
    assert all(way.doing(Step.READY).at(step) is At.DONE for step in Step)


def test_a_code_stands_while_approval_is_waited_for() -> None:
    coded = Progress().coded("123456789", NOW, "https://a/e#123456789", "")
    assert coded.shown()["qr"] and coded.shown()["until"]
    assert coded.doing(Step.APPROVAL).code == "123456789"
    assert coded.admitted("Xã Ea Kpam").shown()["qr"] == "", "used: nobody shall scan it any more"
    assert coded.doing(Step.ADDRESS).shown()["code"] == ""


def test_the_screen_reads_what_is_shown() -> None:
    way = Progress(serial="DC-1").coded("123456789", NOW, "https://a/e#123456789", "voucher_used")
    line = {"type": "show", "view": "enrolling", "language": "vi", "enrolling": way.shown()}
    read = parse_show(line).enrolling
    assert read is not None and (read.code, read.remark, read.until) == ("123456789", "voucher_used", NOW)


def arrival() -> Arrival:
    return Arrival(Progress(step=Step.CONFIGURATION), NOW)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_from_admission_to_the_ordinary_screen() -> None:
    coming = arrival()
    seen = []
    for seconds, configured, verdict, asked in (
        (0, False, Verdict.UNKNOWN, False),
        (2, True, Verdict.UNKNOWN, False),
        (3, True, Verdict.CHECKING, True),
        (30, True, Verdict.READY, True),
        (31 + READY_SHOWN.total_seconds(), True, Verdict.READY, True),
    ):
        now = NOW + timedelta(seconds=seconds)
        way = coming.look(now, configured=configured, verdict=verdict, attending=False, asked=asked)
        seen.append(way.step if way else None)
    assert seen == [Step.CONFIGURATION, Step.CHECK, Step.CHECK, Step.READY, None] and coming.over


def test_a_verdict_from_before_the_check_is_not_its_result() -> None:
    way = arrival().look(NOW, configured=True, verdict=Verdict.READY, attending=False, asked=False)
    assert way is not None and way.step is Step.CHECK


@pytest.mark.parametrize(
    ("verdict", "attending", "later"),
    [
        (Verdict.CHECKING, True, timedelta()),
        (Verdict.NOT_READY, False, timedelta()),
        (Verdict.CHECKING, False, CHECK_LIMIT + timedelta(seconds=1)),
    ],
    ids=["a meeting", "a fault", "a check that says nothing"],
)
def test_what_matters_more_has_the_screen(verdict: Verdict, attending: bool, later: timedelta) -> None:
    coming = arrival()
    coming.look(NOW, configured=True, verdict=Verdict.UNKNOWN, attending=False, asked=True)
    now = NOW + later
    assert coming.look(now, configured=True, verdict=verdict, attending=attending, asked=True) is None
    assert coming.look(now, configured=True, verdict=Verdict.UNKNOWN, attending=False, asked=True) is None


def test_disk_and_box_have_fingerprints_of_their_own(tmp_path: Path) -> None:
    sysfs, folder = tmp_path / "sys", tmp_path / "state"
    folder.mkdir()
    device = folder.stat().st_dev
    block = sysfs / f"dev/block/{device >> 8 & 0xFFF}:{device & 0xFF | device >> 12 & 0xFFF00}"
    (block / "device").mkdir(parents=True)
    (block / "device/cid").write_text("0353445342303247\n")
    tree = sysfs / "firmware/devicetree/base"
    tree.mkdir(parents=True)
    (tree / "serial-number").write_bytes(b"10000000a1b2c3d4\0")
    (tree / "model").write_bytes(b"Raspberry Pi 4 Model B\0")
    found = look(folder, sysfs)
    assert found.media and found.box and found.media.startswith("disk-") and found.box.startswith("box-")
    assert (found.serial, found.model) == ("10000000A1B2C3D4", "Raspberry Pi 4 Model B")
    (block / "device/cid").write_text("another card\n")
    other = look(folder, sysfs)
    assert other.box == found.box and other.media != found.media


def test_a_machine_that_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
    (tmp_path / "sys/class/dmi/id/product_serial").write_text("To be filled by O.E.M.\n")
    card = tmp_path / "sys/class/net/eth0"
    (card / "device").mkdir(parents=True)
    (card / "address").write_text("02:fc:00:00:00:01\n")
    (tmp_path / "told").write_text("\n")
    found = look(tmp_path / "none", tmp_path / "sys", tmp_path / "told")
    assert (found.media, found.serial, found.model) == (None, "02:FC:00:00:00:01", "")
    assert found.box is not None, "by the address of its network card"


def test_connections_are_counted_whatever_lies_there(tmp_path: Path) -> None:
    path = tmp_path / "identity/join_count"
    assert [joins.count(path) for _ in range(3)] == [1, 2, 3] and joins.read(path) == 3
    for garbage in (b"", b"many", b"-5", b"\xff" * 40):
        path.write_bytes(garbage)
        assert joins.count(path) == 1


def test_a_child_whose_unit_process_is_gone_before_it_looks_ends() -> None:
    """A box whose unit process is killed while the screen starts must not keep that screen for ever."""
    code = "from diemcau_agent.lifetime import die_with_parent; die_with_parent(); print('lives')"
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    for parent, lives in ((str(gone.pid), False), (str(os.getpid()), True), ("", True)):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env={**os.environ, PARENT: parent}, capture_output=True, check=False)
        assert (b"lives" in done.stdout, done.returncode == 0) == (lives, lives)


def test_lines_that_networkmanager_is_asked_for() -> None:
    wifi = commands(json.dumps({"ssid": "UBND xa", "password": "mat-khau", "apn": ""}).encode())
    assert wifi[0] == ["nmcli", "connection", "delete", "diemcau-wifi"]
    assert wifi[1][-3:] == ["wpa-psk", "wifi-sec.psk", "mat-khau"] and "UBND xa" in wifi[1]
    assert commands(b'{"apn": "v-internet"}')[1][-2:] == ["apn", "v-internet"]


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"[]",
        b"{}",
        b'{"ssid": 5}',
        b'{"ssid": "--help"}',
        b'{"ssid": "a\\nb"}',
        b'{"apn": "' + b"x" * 3000,
    ],
)
def test_garbage_asks_for_no_line(request_: bytes) -> None:
    with pytest.raises(ValueError):
        commands(request_)
