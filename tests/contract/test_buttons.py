"""What every driver of a keypad does alike: the fake one, and the kernel's where there is /dev/uinput.

The kernel's runs in the lab's virtual machine (docs/lab.md), as root: it makes a keypad by uinput.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_agent.drivers import evdev_devices
from diemcau_agent.drivers.buttons import Buttons, ButtonsLost, KeyEvent, open_buttons
from diemcau_agent.drivers.evdev import keys_of
from diemcau_agent.drivers.evdev_devices import Input, keypads, keys_in
from diemcau_agent.rules.keys import MEANING

UINPUT = Path("/dev/uinput")
ONE, TWO = 79, 80


class FakeKeypad:
    """A keypad that is a file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "keypad.json"
        self._effects: dict[str, object] = {}
        self._write()
        self.source = f"fake:{self._file}"

    def hold(self, *codes: int) -> None:
        self._write(down=list(codes))

    def plug(self, plugged: bool) -> None:
        self._write(plugged=plugged)

    def take(self) -> None:
        """Another program takes it."""
        self._write(busy=True)

    def close(self) -> None: ...

    def _write(self, **effects: object) -> None:
        self._effects |= effects
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(self._effects))
        draft.replace(self._file)


class UinputKeypad:
    """A keypad made by linux/uinput.h."""

    _SET_EVENT, _SET_KEY, _SETUP, _CREATE, _DESTROY = 0x40045564, 0x40045565, 0x405C5503, 0x5501, 0x5502

    def __init__(self, _: Path) -> None:
        self._down: set[int] = set()
        self._device: int | None = None
        self._other: int | None = None
        self.plug(True)
        self.source = f"evdev:1d6b-0104-Test-keypad-{os.getpid()}"

    def hold(self, *codes: int) -> None:
        for code in sorted(self._down - set(codes)):
            self._write(1, code, 0)
        for code in sorted(set(codes) - self._down):
            self._write(1, code, 1)
        self._down = set(codes)

    def plug(self, plugged: bool) -> None:
        if self._device is not None:
            fcntl.ioctl(self._device, self._DESTROY)
            os.close(self._device)
            self._device = None
        if not plugged:
            return
        self._device = os.open(UINPUT, os.O_WRONLY | os.O_NONBLOCK)
        fcntl.ioctl(self._device, self._SET_EVENT, 1)
        for code in MEANING:
            fcntl.ioctl(self._device, self._SET_KEY, code)
        name = f"Test keypad {os.getpid()}".encode()
        fcntl.ioctl(self._device, self._SETUP, struct.pack("4H80sI", 6, 0x1D6B, 0x0104, 1, name, 0))
        fcntl.ioctl(self._device, self._CREATE)
        time.sleep(0.5)

    def take(self) -> None:
        """Another program takes it."""
        self._other = os.open(evdev_devices.resolve(self.source), os.O_RDONLY)
        fcntl.ioctl(self._other, 0x40044590, 1)

    def close(self) -> None:
        self.plug(False)
        if self._other is not None:
            os.close(self._other)

    def _write(self, kind: int, code: int, value: int) -> None:
        assert self._device is not None
        os.write(self._device, struct.pack("@llHHi", 0, 0, kind, code, value))
        os.write(self._device, struct.pack("@llHHi", 0, 0, 0, 0, 0))


Keypad = FakeKeypad | UinputKeypad
KINDS: list[type[Keypad]] = [FakeKeypad, *([UinputKeypad] if UINPUT.exists() else [])]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def keypad(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Keypad]:
    made: Keypad = request.param(tmp_path)
    yield made
    made.close()


def opened(keypad: Keypad) -> Buttons:
    buttons = open_buttons(keypad.source)
    assert buttons is not None
    return buttons


def next_of(buttons: Buttons, seconds: float = 10) -> list[KeyEvent]:
    deadline = time.monotonic() + seconds
    while not (events := [event for event in buttons.read(0.2) if event.value != 2]):
        assert time.monotonic() < deadline, "no key"
    return events


def test_keys_go_down_and_come_up(keypad: Keypad) -> None:
    buttons = opened(keypad)
    assert buttons.read(0) == []
    keypad.hold(ONE)
    assert next_of(buttons) == [KeyEvent(ONE, 1)]
    keypad.hold(ONE, TWO)
    assert next_of(buttons) == [KeyEvent(TWO, 1)]
    keypad.hold()
    up = next_of(buttons)
    while len(up) < 2:
        up += next_of(buttons)
    assert sorted(event.code for event in up) == [ONE, TWO] and not any(event.value for event in up)
    buttons.close()
    buttons.close()
    with pytest.raises(ButtonsLost):
        buttons.read(0)


def test_nothing_is_said_in_time_when_nothing_happens(keypad: Keypad) -> None:
    buttons = opened(keypad)
    began = time.monotonic()
    assert buttons.read(0.2) == [] and time.monotonic() - began >= 0.15
    buttons.close()


def test_what_is_down_at_the_opening_is_not_told(keypad: Keypad) -> None:
    keypad.hold(ONE)
    buttons = opened(keypad)
    assert all(event.value == 2 for event in buttons.read(0.3))
    buttons.close()


def test_unplugged_while_read_and_plugged_again(keypad: Keypad) -> None:
    buttons = opened(keypad)
    threading.Timer(0.3, lambda: keypad.plug(False)).start()
    with pytest.raises(ButtonsLost):
        next_of(buttons)
    buttons.close()
    with pytest.raises(ButtonsLost) as lost:
        open_buttons(keypad.source)
    assert lost.value.why == "missing"
    keypad.plug(True)
    again = opened(keypad)
    keypad.hold(TWO)
    assert next_of(again) == [KeyEvent(TWO, 1)]
    again.close()


def test_one_that_another_program_has_is_busy(keypad: Keypad) -> None:
    keypad.take()
    with pytest.raises(ButtonsLost) as lost:
        open_buttons(keypad.source)
    assert lost.value.why == "busy"


@pytest.mark.skipif(not UINPUT.exists(), reason="needs /dev/uinput: run in the lab's virtual machine")
def test_a_real_one_is_found_and_its_keys_reach_nobody_else(tmp_path: Path) -> None:
    keypad = UinputKeypad(tmp_path)
    found = next(one for one in evdev_devices.find() if one.source == keypad.source)
    assert found.details["keys"] == len(MEANING)
    beside = os.open(found.node, os.O_RDONLY | os.O_NONBLOCK)
    buttons = opened(keypad)
    keypad.hold(ONE)
    assert next_of(buttons) == [KeyEvent(ONE, 1)]
    with pytest.raises(BlockingIOError):
        os.read(beside, 4096)
    keypad.hold()
    os.close(beside)
    buttons.close()
    keypad.close()


def test_sources_nobody_knows_are_refused_and_none_is_none(tmp_path: Path) -> None:
    assert open_buttons("none") is None
    for source in ("", "evdev:", "usb:1", "fake:", f"fake:{tmp_path}/nothing", "evdev:no-such-keypad"):
        with pytest.raises(ButtonsLost) as lost:
            open_buttons(source)
        assert lost.value.why == "missing" and str(lost.value)


@pytest.mark.parametrize("garbage", ["", "{", "[]", '{"down": [null]}', '{"unknown": 1}', '{"down": 5}'])
def test_a_fake_of_garbage_is_refused(tmp_path: Path, garbage: str) -> None:
    (tmp_path / "keypad.json").write_text(garbage)
    with pytest.raises(ButtonsLost):
        open_buttons(f"fake:{tmp_path}/keypad.json")


def device(name: str, *keys: int, bus: int = 3, unique: str = "") -> Input:
    return Input(bus, 0x046D, 0xC52D, name, unique, frozenset(keys))


def test_what_is_a_keypad_and_what_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-path").mkdir()
    nodes = [tmp_path / f"event{number}" for number in range(8)]
    for node in nodes:
        node.touch()
    (tmp_path / "by-id/usb-Logitech_R400-event-kbd").symlink_to("../event0")
    (tmp_path / "by-path/pci-0000:00:14.0-usb-0:2:1.0-event-kbd").symlink_to("../event1")
    inputs = [
        device("R400", 104, 109),
        device("Keypad", *MEANING),
        device("Power Button", 116, bus=0x19),
        device("AT keyboard", *MEANING, bus=0x11),
        device("Mouse", 272),
        device("Remote", 2, 3, bus=5, unique="00:1F:20:aa:bb:cc"),
        device("Odd\nname\0 ", 79, bus=6),
        device("Odd\nname\0 ", 79, bus=6),
    ]
    found = keypads(zip(nodes, inputs, strict=True), tmp_path)
    assert [(one.source, one.name) for one in found] == [
        ("evdev:path-pci-0000:00:14.0-usb-0:2:1.0-event-kbd", "Keypad"),
        ("evdev:unique-00:1F:20:aa:bb:cc", "Remote"),
        ("evdev:usb-Logitech_R400-event-kbd", "R400"),
        ("evdev:046d-c52d-Odd-name", "Odd name"),
    ]
    assert {one.node for one in found} <= {str(node) for node in nodes}


def test_nobodys_keyboard_is_taken_without_being_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = [*range(16, 26), *range(30, 39), *range(44, 51)]
    plugged = [(tmp_path / "event0", device("Keyboard", *MEANING, *letters))]
    monkeypatch.setattr(evdev_devices, "find", lambda: keypads(plugged, tmp_path))
    with pytest.raises(ButtonsLost):
        evdev_devices.resolve("auto")
    assert evdev_devices.resolve("evdev:046d-c52d-Keyboard").endswith("event0")
    plugged.append((tmp_path / "event1", device("Keypad", 79, 80)))
    assert evdev_devices.resolve("auto").endswith("event1")


def test_bits_and_events_as_the_kernel_writes_them() -> None:
    assert keys_in(bytes([0b00000100, 0, 0b10000000])) == {2, 23}
    event = struct.Struct("@llHHi")
    data = event.pack(1, 2, 4, 4, 458841) + event.pack(1, 2, 1, ONE, 1) + event.pack(1, 2, 0, 0, 0)
    assert keys_of(data + b"half an event") == [KeyEvent(ONE, 1)]
    with pytest.raises(ButtonsLost):
        keys_of(data + event.pack(1, 2, 0, 3, 0))
