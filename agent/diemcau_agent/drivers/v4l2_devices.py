"""Video4Linux cameras that are plugged in, by their lasting names. Asks the kernel itself and loads no codec.

Numbers and layouts: linux/videodev2.h. A camera is named by its link in /dev/v4l/by-id when it has a serial
number that no other one here shares, else by where it is plugged in (/dev/v4l/by-path).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from diemcau_wire.messages import Device

from .camera_lost import CameraLost, Why
from .found import Found

ROOT = Path("/")
_PATH = "path-"
_MODES = 200  # of one format; a driver that offers more is asked no further

_QUERYCAP = 0x80685600
_ENUM_FMT = 0xC0405602
_ENUM_FRAMESIZES = 0xC02C564A
_ENUM_FRAMEINTERVALS = 0xC034564B
_S_CTRL = 0xC008561C
_CAPTURE, _DEVICE_CAPS = 0x00000001, 0x80000000
_TYPE_CAPTURE = 1
_DISCRETE = 1
_FORCE_KEY_FRAME = 0x00990900 + 229
_USUAL = ((640, 360), (640, 480), (1280, 720), (1920, 1080))  # asked of a device that takes any size


@dataclass(frozen=True, slots=True)
class Mode:
    """One way a camera can be set. `fps` is the highest rate, None when the camera does not say."""

    pixels: str
    width: int
    height: int
    fps: float | None


def find(root: Path = ROOT) -> list[Found]:
    """Every camera there is now; of several nodes of one camera the one that captures pictures.

    No node is opened for it: it is for a process that may not, and udev has asked when it was plugged in.
    """
    nodes = [node for node in sorted((root / "dev").glob("video*"), key=_number) if _number(node) >= 0]
    serials = {node: _serial(root, node) for node in nodes}
    shared = Counter(serial for node, serial in serials.items() if _index(root, node) == 0)
    found: list[Found] = []
    for node, serial in serials.items():
        source = _source(root, node, by_id=serial is None or (bool(serial) and shared[serial] == 1))
        if source is not None and _captures(root, node):
            known = root / "sys/class/video4linux" / node.name
            found.append(Found(Device.CAMERA, source, _text(known / "name") or node.name, str(node)))
    return found


def resolve(source: str, root: Path = ROOT) -> str:
    """The node that a source (`v4l2:ID`, or its ID alone) is opened by now. Raises :class:`CameraLost`."""
    name = source.removeprefix("v4l2:")
    if name.startswith("/"):
        path = Path(name)
    elif name.startswith(_PATH):
        path = root / "dev/v4l/by-path" / Path(name.removeprefix(_PATH)).name
    else:
        path = root / "dev/v4l/by-id" / Path(name).name
    if not path.exists():
        raise CameraLost(f"camera {name} is not plugged in", why="missing")
    return str(path.resolve())


def modes(node: str) -> list[Mode]:
    """Every way the camera at `node` can be set. Raises :class:`CameraLost`."""
    try:
        return _ask(Path(node))
    except OSError as error:
        gone = error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO)
        why: Why = "missing" if gone else "refused" if isinstance(error, PermissionError) else "lost"
        raise CameraLost(f"{node}: {error.strerror}", why=why) from None


def force_key_frame(node: str) -> bool:
    """Ask a camera that codes for a key frame; False when it does not know the word."""
    try:
        with _open(Path(node)) as device:
            fcntl.ioctl(device, _S_CTRL, struct.pack("Ii", _FORCE_KEY_FRAME, 1))
    except OSError:
        return False
    return True


# ── names ────────────────────────────────────────────────────────────────────────────────────────


def _source(root: Path, node: Path, *, by_id: bool) -> str | None:
    """Its lasting name, by serial number if that tells it from others; None when it has none at all."""
    serial, path = _link(root / "dev/v4l/by-id", node), _link(root / "dev/v4l/by-path", node)
    if serial is not None and (by_id or path is None):
        return f"v4l2:{serial}"
    return f"v4l2:{_PATH}{path}" if path is not None else None


def _link(folder: Path, node: Path) -> str | None:
    """The name in `folder` that leads to `node`; of several the first."""
    if not folder.is_dir():
        return None
    return next((link.name for link in sorted(folder.iterdir()) if link.resolve() == node.resolve()), None)


def _serial(root: Path, node: Path) -> str | None:
    """Maker, model and serial number of a USB camera, "" without a serial number; None for any other."""
    device = (root / "sys/class/video4linux" / node.name / "device").resolve()
    for folder in (device, device.parent):
        if (folder / "idVendor").exists():
            words = [_text(folder / name) for name in ("idVendor", "idProduct", "serial")]
            return ":".join(words) if words[2] else ""
    return None


def _captures(root: Path, node: Path) -> bool:
    """Whether it gives pictures, as udev's `v4l_id` found out; without udev the first of its device does."""
    number = _text(root / "sys/class/video4linux" / node.name / "dev")
    for line in _text(root / "run/udev/data" / f"c{number}").splitlines():
        key, _, value = line.partition("=")
        if key == "E:ID_V4L_CAPABILITIES":
            return "capture" in value.split(":")
    return _index(root, node) == 0


def _index(root: Path, node: Path) -> int:
    text = _text(root / "sys/class/video4linux" / node.name / "index")
    return int(text) if text.isdecimal() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _number(node: Path) -> int:
    return int(node.name[5:]) if node.name[5:].isdigit() else -1


# ── what the kernel says ─────────────────────────────────────────────────────────────────────────


def _ask(node: Path) -> list[Mode]:
    """How it can be set; nothing for one that captures no pictures. Raises OSError."""
    with _open(node) as device:
        capabilities, own = struct.unpack_from("II", fcntl.ioctl(device, _QUERYCAP, bytes(104)), 84)
        if not (own if capabilities & _DEVICE_CAPS else capabilities) & _CAPTURE:
            return []
        return [mode for pixels in _formats(device) for mode in _modes(device, pixels)]


@contextmanager
def _open(node: Path) -> Iterator[int]:
    device = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield device
    finally:
        os.close(device)


def _formats(device: int) -> Iterator[int]:
    for index in range(64):
        request = struct.pack("II", index, _TYPE_CAPTURE).ljust(64, b"\0")
        if (answer := _next(device, _ENUM_FMT, request)) is None:
            return
        yield struct.unpack_from("I", answer, 44)[0]


def _modes(device: int, pixels: int) -> Iterator[Mode]:
    name = struct.pack("I", pixels & 0x7FFFFFFF).decode(errors="replace").strip()
    for width, height in _sizes(device, pixels):
        yield Mode(name, width, height, _rate(device, pixels, width, height))


def _sizes(device: int, pixels: int) -> Iterator[tuple[int, int]]:
    for index in range(_MODES):
        answer = _next(device, _ENUM_FRAMESIZES, struct.pack("II", index, pixels).ljust(44, b"\0"))
        if answer is None:
            return
        kind = struct.unpack_from("I", answer, 8)[0]
        if kind != _DISCRETE:
            least_w, most_w, step_w, least_h, most_h, step_h = struct.unpack_from("6I", answer, 12)
            for width, height in _USUAL:
                fits = least_w <= width <= most_w and least_h <= height <= most_h
                if fits and not (width - least_w) % (step_w or 1) and not (height - least_h) % (step_h or 1):
                    yield width, height
            return
        yield struct.unpack_from("II", answer, 12)


def _rate(device: int, pixels: int, width: int, height: int) -> float | None:
    """The highest rate: the shortest of the intervals it tells."""
    rates = []
    for index in range(_MODES):
        request = struct.pack("4I", index, pixels, width, height).ljust(52, b"\0")
        if (answer := _next(device, _ENUM_FRAMEINTERVALS, request)) is None:
            break
        kind, numerator, denominator = struct.unpack_from("III", answer, 16)
        if numerator:
            rates.append(denominator / numerator)
        if kind != _DISCRETE:
            break  # the first interval of a range is the shortest
    return max(rates, default=None)


def _next(device: int, request: int, data: bytes) -> bytes | None:
    """The answer to one question of a list; None at its end."""
    try:
        return fcntl.ioctl(device, request, data)
    except OSError:
        return None
