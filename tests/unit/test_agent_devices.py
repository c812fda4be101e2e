"""What is plugged in: found by every technology, told once, whatever one of them does."""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from diemcau_agent.drivers.found import Found
from diemcau_agent.rules.plugged import change, configured
from diemcau_agent.unit import devices as devices_module
from diemcau_agent.unit import uevents as uevents_module
from diemcau_agent.unit.devices import Devices
from diemcau_agent.unit.uevents import Uevents, subsystem_of
from diemcau_wire.messages import Buttons, Camera, DesiredConfig, Device, Microphone, SiteInfo

CAMERA = Found(Device.CAMERA, "v4l2:usb-cam", "Webcam", "/dev/video0", {"formats": ["MJPG"]})
MICROPHONE = Found(Device.MICROPHONE, "pulse:alsa_input.usb", "Micro")
KEYPAD = Found(Device.BUTTONS, "evdev:keypad", "Keypad")
NULL_DEVICE = Path("/sys/class/mem/null/uevent")
NOW = datetime(2026, 3, 12, 1, 0, tzinfo=UTC)
CONFIG = DesiredConfig(
    unit="u1",
    epoch=1,
    rev=1,
    site=SiteInfo(id="a", name="Xã An"),
    camera=Camera(source="v4l2:/dev/video0"),
    microphone=Microphone(source="pulse:another"),
    buttons=Buttons(source="auto"),
)


class Hall:
    """Devices, with what was told of them."""

    def __init__(self, **technologies: Callable[[], Sequence[Found]]) -> None:
        self.events: list[tuple[str, str]] = []
        self.plugged: list[str] = []
        self.changes = 0
        self.devices = Devices(
            config=lambda: CONFIG,
            record=lambda kind, _, data: self.events.append((kind.value, str(data["source"]))),
            changed=self._changed,
            plugged=self.plugged.append,
            technologies=technologies,
        )

    def _changed(self) -> None:
        self.changes += 1


def test_what_comes_and_goes_is_told_once() -> None:
    there: list[Found] = [CAMERA]

    async def run() -> Hall:
        hall = Hall(all=lambda: list(there))
        await hall.devices.look()
        assert hall.events == [] and hall.changes == 1, "what is there at the start is no news but a report"
        await hall.devices.look()
        assert hall.changes == 1
        there[:] = [KEYPAD, MICROPHONE]
        await hall.devices.look()
        there[:] = [KEYPAD, MICROPHONE, CAMERA]
        await hall.devices.look()
        return hall

    hall = asyncio.run(run())
    assert hall.events == [
        ("device_removed", "v4l2:usb-cam"),
        ("device_added", "evdev:keypad"),
        ("device_added", "pulse:alsa_input.usb"),
        ("device_added", "v4l2:usb-cam"),
    ]
    assert hall.plugged == ["buttons", "camera"], "the microphone is not the one of this hall"
    report = hall.devices.reported("u1", NOW)
    assert {one.source for one in report.devices} == {one.source for one in there}


def test_one_that_fails_or_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices_module, "FIND_LIMIT_S", 0.2)
    release = threading.Event()
    calls = []

    def hang() -> list[Found]:
        calls.append(1)
        release.wait(30)
        return [MICROPHONE]

    broken = False

    def breaks() -> list[Found]:
        if broken:
            raise OSError("no such luck")
        return [KEYPAD]

    async def run() -> None:
        nonlocal broken
        hall = Hall(v4l2=lambda: [CAMERA], hangs=hang, breaks=breaks)
        assert await hall.devices.look() == [CAMERA, KEYPAD]
        broken = True
        assert await hall.devices.look() == [CAMERA, KEYPAD], "one failure is no unplugging"
        assert await hall.devices.look() == [CAMERA]
        assert len(calls) == 1 and hall.devices.failed == {"hangs": 3, "breaks": 2}
        release.set()
        broken = False
        for _ in range(200):
            await hall.devices.look()
        assert MICROPHONE in hall.devices.found and KEYPAD in hall.devices.found

    asyncio.run(run())


def test_a_report_always_fits_and_bad_names_are_left_out() -> None:
    long = [
        Found(Device.CAMERA, f"v4l2:{n}", "Máy quay", "", {"formats": ["x" * 40] * 40}) for n in range(90)
    ]
    bad = [Found(Device.CAMERA, "", "no source"), Found(Device.CAMERA, "v4l2:x", "\x07bell")]

    async def run() -> Any:
        hall = Hall(v4l2=lambda: [*bad, *long])
        await hall.devices.look()
        return hall.devices.reported("u1", NOW)

    report = asyncio.run(run())
    assert len(report.devices) == 58 and len(report.model_dump_json()) < 60_000


def test_a_device_is_the_same_while_its_name_is() -> None:
    moved = Found(Device.CAMERA, CAMERA.source, "Webcam", "/dev/video2")
    assert change([CAMERA], [moved]) == change([], [])
    assert change([CAMERA], [KEYPAD]).removed == (CAMERA,)
    assert configured(None, [CAMERA]) == []
    assert configured(CONFIG, [CAMERA, moved, KEYPAD, KEYPAD]) == [Device.CAMERA, Device.BUTTONS]


def test_the_kernel_is_listened_to_and_not_believed() -> None:
    said = b"add@/devices/usb/video0\0ACTION=add\0SUBSYSTEM=video4linux\0SEQNUM=1\0"
    assert subsystem_of(said) == b"video4linux"
    assert subsystem_of(b"libudev\0\xfe\xed\xca\xfe\0ACTION=add\0SUBSYSTEM=input\0") == b"input"
    for garbage in (b"", b"\0\0", b"\xff" * 9000, b"SUBSYSTEM"):
        assert subsystem_of(garbage) is None


def test_the_kernels_own_word_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uevents_module, "SUBSYSTEMS", frozenset({b"mem"}))

    async def run() -> bool:
        seen = asyncio.Event()
        uevents = Uevents(seen)
        opened = uevents.open()
        try:
            NULL_DEVICE.write_text("change")  # has the kernel say that /dev/null changed
            async with asyncio.timeout(5):
                await seen.wait()
        except OSError:  # only root may ask for that, and not in a container; a time-out is one, too
            pass
        finally:
            uevents.close()
            uevents.close()
        return seen.is_set() or not opened or not first_user_namespace()

    assert asyncio.run(run())


def first_user_namespace() -> bool:
    """Only there the kernel tells of devices; and only root can make it."""
    own = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    return own and os.access(NULL_DEVICE, os.W_OK)
