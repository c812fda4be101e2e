"""Which disk and which box this is, as short fingerprints: a copied card shows by them, and so does a card
that was moved. Nothing here is secret, and nothing is proof: it helps people to understand what they see."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SYSFS = "DIEMCAU_SYSFS"
SERIAL = Path("/run/diemcau/serial")  # left there by diemcau-unit.service, which may read it
_DISK = ("device/cid", "device/serial", "serial", "device/wwid", "wwid")
_BOX = (
    "firmware/devicetree/base/serial-number",
    "class/dmi/id/product_uuid",
    "class/dmi/id/board_serial",
)
_SERIAL = (
    "firmware/devicetree/base/serial-number",
    "class/dmi/id/product_serial",
    "class/dmi/id/board_serial",
)
_MODEL = ("firmware/devicetree/base/model", "class/dmi/id/product_name")
_EMPTY = frozenset({"", "none", "n/a", "0", "default string", "to be filled by o.e.m.", "not specified"})


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """`media` of the disk or card that holds the state, `box` of the machine; None where nothing names it.
    `serial` is what people find printed on the box, or else its first network address."""

    media: str | None
    box: str | None
    serial: str
    model: str


def sysfs() -> Path:
    """Where the kernel says things of this machine; a test says another place."""
    return Path(os.environ.get(SYSFS, "/sys"))


def look(folder: Path, sysfs: Path, told: Path | None = None) -> Fingerprints:
    """Look at what the kernel says. `told` is a file in which a service with more rights left the serial that
    only it may read."""
    addresses = list(_network_addresses(sysfs))
    box = _first(sysfs / name for name in _BOX) or next(iter(addresses), "")
    serial = (_text(told) if told is not None else "") or _first(sysfs / name for name in _SERIAL)
    return Fingerprints(
        media=_marked("disk", _disk(folder, sysfs)),
        box=_marked("box", box),
        serial=(serial or next(iter(addresses), "")).upper()[:64],
        model=_first(sysfs / name for name in _MODEL)[:64],
    )


def _disk(folder: Path, sysfs: Path) -> str:
    """What the disk under `folder` calls itself, "" for one without a name (a network disk, a test's)."""
    try:
        device = folder.stat().st_dev
    except OSError:
        return ""
    block = (sysfs / "dev/block" / f"{os.major(device)}:{os.minor(device)}").resolve()
    return _first(place / name for place in (block, block.parent) for name in _DISK)


def _network_addresses(sysfs: Path) -> Iterable[str]:
    """MAC addresses of the network cards that are hardware, in the order of their names."""
    for card in sorted((sysfs / "class/net").glob("*")):
        if (card / "device").exists() and (address := _text(card / "address")):
            yield address


def _first(paths: Iterable[Path]) -> str:
    return next((text for path in paths if (text := _text(path))), "")


def _text(path: Path) -> str:
    try:
        text = path.read_bytes()[:200].decode("utf-8", "replace").strip(" \t\r\n\0")
    except OSError:
        return ""
    return "" if text.lower() in _EMPTY else "".join(letter for letter in text if letter.isprintable())


def _marked(kind: str, text: str) -> str | None:
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}" if text else None
