"""Keypads and presenters that are plugged in, by their lasting names. Asks the kernel itself.

Numbers and layouts: linux/input.h. A keypad is named by its link in /dev/input/by-id, which has maker, model
and serial number; without one by the address a wireless one has, else by where it is plugged in, else by
maker, model and name. Only USB, Bluetooth and what software makes: a built-in keyboard, a power button or
the television's remote control is none.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from diemcau_wire.messages import Device

from diemcau_agent.rules.keys import MEANING

from .buttons import ButtonsLost
from .found import Found

log = logging.getLogger(__name__)

DEV = Path("/dev/input")
_BUSES = {0x03: "usb", 0x05: "bluetooth", 0x06: "virtual"}
_KEY, _KEY_MAX = 0x01, 0x2FF
_TEXT = 256
_LETTERS = frozenset({*range(16, 26), *range(30, 39), *range(44, 51)})


def _read(number: int, size: int) -> int:
    """_IOR('E', number, size) of asm-generic/ioctl.h."""
    return 2 << 30 | size << 16 | ord("E") << 8 | number


_GET_ID = _read(0x02, 8)
_GET_NAME, _GET_UNIQUE = _read(0x06, _TEXT), _read(0x08, _TEXT)
_GET_KEYS = _read(0x20 + _KEY, _KEY_MAX // 8 + 1)


@dataclass(frozen=True, slots=True)
class Input:
    """What an input device says of itself."""

    bus: int
    vendor: int
    product: int
    name: str
    unique: str
    keys: frozenset[int]

    @property
    def keyboard(self) -> bool:
        """True when somebody could write on it. Many a keypad says so of itself, too."""
        return self.keys >= _LETTERS

    @property
    def known(self) -> int:
        """How many of its keys mean something here."""
        return len(self.keys & MEANING.keys())


def find() -> list[Found]:
    """Every keypad there is now, the one with the most keys that mean something first."""
    inputs: list[tuple[Path, Input]] = []
    for node in sorted(DEV.glob("event*")):
        try:
            inputs.append((node, ask(node)))
        except OSError as error:
            log.debug("%s does not answer: %s", node, error)
    return keypads(inputs, DEV)


def keypads(inputs: Iterable[tuple[Path, Input]], folder: Path) -> list[Found]:
    """Which of `inputs` are keypads; `folder` has the links `by-id` and `by-path`."""
    found: list[tuple[int, Found]] = []
    taken: set[str] = set()
    for node, one in inputs:
        source = f"evdev:{lasting_name(node, one, folder)}"
        if one.bus not in _BUSES or not one.known or source in taken:
            continue
        taken.add(source)
        details = {"bus": _BUSES[one.bus], "keys": one.known, "keyboard": one.keyboard}
        name = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", one.name).split()) or "Keypad"
        found.append((-one.known, Found(Device.BUTTONS, source, name[:200], str(node), details)))
    return [keypad for _, keypad in sorted(found, key=lambda pair: (pair[0], pair[1].source))]


def resolve(source: str) -> str:
    """The node that a source (`auto`, `evdev:ID`) is opened by now. Raises :class:`ButtonsLost`.

    `auto` takes nothing that may be the keyboard of somebody who works on this machine.
    """
    name = source.removeprefix("evdev:")
    if name.startswith("/"):
        if not Path(name).exists():
            raise ButtonsLost(f"keypad {name} is not plugged in", why="missing")
        return name
    for keypad in find():
        if source == keypad.source or (source == "auto" and not keypad.details["keyboard"]):
            return keypad.node
    raise ButtonsLost(
        "no keypad is plugged in" if source == "auto" else f"keypad {name} is not plugged in", "missing"
    )


def lasting_name(node: Path, one: Input, folder: Path) -> str:
    """What a configuration names it by."""
    if (by_id := _link(folder / "by-id", node)) is not None:
        return by_id
    if one.unique:
        return f"unique-{_word(one.unique)}"
    if (by_path := _link(folder / "by-path", node)) is not None:
        return f"path-{by_path}"
    return f"{one.vendor:04x}-{one.product:04x}-{_word(one.name)}"


def ask(node: Path) -> Input:
    """What the device at `node` says of itself. Raises OSError."""
    device = os.open(node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        bus, vendor, product, _ = struct.unpack("4H", fcntl.ioctl(device, _GET_ID, bytes(8)))
        bits = fcntl.ioctl(device, _GET_KEYS, bytes(_KEY_MAX // 8 + 1))
        name, unique = _text(device, _GET_NAME), _text(device, _GET_UNIQUE)
        return Input(bus, vendor, product, name, unique, keys_in(bits))
    finally:
        os.close(device)


def keys_in(bits: bytes) -> frozenset[int]:
    """The codes whose bit is set."""
    return frozenset(8 * at + bit for at, byte in enumerate(bits) for bit in range(8) if byte >> bit & 1)


def _text(device: int, request: int) -> str:
    try:
        answer = fcntl.ioctl(device, request, bytes(_TEXT))
    except OSError:  # it has none
        return ""
    return answer.partition(b"\0")[0].decode(errors="replace").strip()


def _link(folder: Path, node: Path) -> str | None:
    """The name in `folder` that leads to `node`; of several the first."""
    if not folder.is_dir():
        return None
    return next((link.name for link in sorted(folder.iterdir()) if link.resolve() == node.resolve()), None)


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.:_-]+", "-", text).strip("-")[:100] or "unnamed"
