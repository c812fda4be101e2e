"""Which remedy is tried when, and what the unit measures and mends of itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from diemcau_agent.checks import Finding
from diemcau_agent.remedies import REMEDIES, NotPossible
from diemcau_agent.remedies.camera import _switch
from diemcau_agent.rules.mending import FIRST_PAUSE, LONGEST_PAUSE, Mending, Patience
from diemcau_agent.unit.measure.machine import heat, power
from diemcau_agent.unit.state_folder import StateFolder

T0 = datetime(2026, 3, 12, 0, 0, tzinfo=UTC)
FROZEN, MUTED = Finding("camera_frozen", "same"), Finding("microphone_muted")


def test_remedies_come_in_their_order_and_each_at_most_so_often() -> None:
    mending = Mending(Patience(), {"reopen_camera": 2})
    for expected in ("reopen_camera", "reopen_camera", "reset_usb", None):
        steps = mending.plan([FROZEN], T0)
        assert steps == ({expected: ["camera_frozen"]} if expected else {})
        for remedy in steps:
            mending.tried(remedy, "camera_frozen", T0, helped=False)
    assert mending.outcome([FROZEN]) == [Finding("camera_frozen", "same", "reset_usb", False)]


def test_one_remedy_against_two_faults_is_tried_once_and_what_cannot_be_is_followed_by_the_next() -> None:
    mending = Mending(Patience(), {})
    steps = mending.plan([Finding("camera_missing"), FROZEN, MUTED], T0)
    assert steps == {
        "reset_usb": ["camera_missing"],
        "reopen_camera": ["camera_frozen"],
        "unmute_microphone": ["microphone_muted"],
    }
    mending.impossible("reset_usb")
    again = mending.plan([Finding("camera_missing"), FROZEN], T0)
    assert again == {"reopen_camera": ["camera_missing", "camera_frozen"]}


def test_mended_is_what_was_measured_again_and_nothing_else() -> None:
    mending = Mending(Patience(), {})
    mending.plan([FROZEN, MUTED], T0)
    mending.tried("unmute_microphone", "microphone_muted", T0, helped=True)
    mending.tried("reopen_camera", "camera_frozen", T0, helped=False)
    assert mending.outcome([]) == [
        Finding("camera_frozen", "same", "reopen_camera", False),
        Finding("microphone_muted", "", "unmute_microphone", True),
    ], "one that is not seen any more, but was not measured again, is not mended"


def test_what_did_not_help_is_let_be_for_longer_and_longer_unless_somebody_asks() -> None:
    patience, now = Patience(), T0
    pauses = []
    for _ in range(12):
        mending = Mending(patience, {})
        assert mending.plan([MUTED], now)
        mending.tried("unmute_microphone", "microphone_muted", now, helped=False)
        assert not Mending(patience, {}).plan([MUTED], now + timedelta(seconds=1))
        assert Mending(patience, {}, asked=True).plan([MUTED], now + timedelta(seconds=1))
        tried_at = now
        while not patience.allows("unmute_microphone", "microphone_muted", now):
            now += timedelta(minutes=1)
        pauses.append(now - tried_at)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE] and pauses[-1] == LONGEST_PAUSE
    patience.tried("unmute_microphone", "microphone_muted", now, helped=True)
    assert patience.allows("unmute_microphone", "microphone_muted", now)


def room(folder: Path, **more: Any) -> Any:
    return SimpleNamespace(folder=StateFolder(folder), sysfs=folder / "sys", **more)


def kernel(folder: Path, **says: str) -> None:
    for path, text in says.items():
        file = folder / "sys" / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_heat_and_supply_as_the_kernel_says_them(tmp_path: Path) -> None:
    here = room(tmp_path)
    assert asyncio.run(heat(here)) is None and asyncio.run(power(here)) is None
    kernel(tmp_path, class__thermal__thermal_zone0__temp="52000\n", class__thermal__thermal_zone1__temp="x")
    assert asyncio.run(heat(here)) == {"celsius": 52.0}
    firmware = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    firmware.parent.mkdir(parents=True)
    for said, low in (("0\n", False), ("50005\n", True), ("50000", True), ("20000", False)):
        firmware.write_text(said)
        assert asyncio.run(power(here)) == {"undervoltage": low}
    firmware.write_text("nonsense")
    assert asyncio.run(power(here)) is None
    kernel(tmp_path, class__hwmon__hwmon1__name="rpi_volt\n", class__hwmon__hwmon1__in0_lcrit_alarm="1\n")
    assert asyncio.run(power(here)) == {"undervoltage": True}


def test_a_full_disk_gets_back_what_the_agent_left(tmp_path: Path) -> None:
    here = room(tmp_path)
    free = REMEDIES["free_disk"].mend
    with pytest.raises(NotPossible):
        asyncio.run(free(here))
    (tmp_path / "run").mkdir()
    kept = [tmp_path / "outbox.sqlite", tmp_path / "run" / "lock"]
    for path in (*kept, tmp_path / "run" / "picture-1.png", tmp_path / "outbox.sqlite.corrupt"):
        path.write_bytes(bytes(2048))
    assert asyncio.run(free(here)) == "2 files, 4 KiB removed"
    assert all(path.exists() for path in kept)


def test_a_usb_camera_is_switched_at_its_own_device_and_nothing_else_is(tmp_path: Path) -> None:
    device = tmp_path / "sys/devices/pci0/usb1/1-2"
    interface = device / "1-2:1.0"
    interface.mkdir(parents=True)
    for folder in (device.parent, device):
        (folder / "authorized").write_text("1")
        (folder / "idVendor").write_text("046d")
    node = tmp_path / "sys/class/video4linux/video0"
    node.mkdir(parents=True)
    (node / "device").symlink_to(interface)
    assert _switch(node / "device") == device / "authorized"
    with pytest.raises(NotPossible):
        _switch(tmp_path / "sys/class/video4linux/video7/device")
    config = SimpleNamespace(camera=SimpleNamespace(source="rtsp://192.0.2.1/x"))
    with pytest.raises(NotPossible):
        asyncio.run(REMEDIES["reset_usb"].mend(room(tmp_path, config=lambda: config)))
