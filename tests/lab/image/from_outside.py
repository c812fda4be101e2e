"""What the disk of a box shows while it runs, read from outside: its table, its data partition, what the boot
loader counts. Nothing is written."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from firmware.layout import BOOT, DATA_LABEL, IN_IMAGE, MIB, SECTOR, starts_mib

_EXT4_MAGIC = 0xEF53


@dataclass(frozen=True, slots=True)
class Part:
    """Where a partition lies, in bytes."""

    start: int
    size: int


def table(disk: Path) -> dict[str, Part]:
    """The partitions by their names, as the first of the two tables has them (UEFI 2.10, 5.3)."""
    with disk.open("rb") as file:
        file.seek(SECTOR)
        head = file.read(92)
        if head[:8] != b"EFI PART":
            return {}
        at, count, size = struct.unpack_from("<QII", head, 72)
        file.seek(at * SECTOR)
        entries = file.read(count * size)
    found = {}
    for number in range(count):
        entry = entries[number * size : (number + 1) * size]
        first, last = struct.unpack_from("<QQ", entry, 32)
        if first:
            name = entry[56:128].decode("utf-16-le").rstrip("\0")
            found[name] = Part(first * SECTOR, (last - first + 1) * SECTOR)
    return found


def mounts(disk: Path) -> int:
    """How often the data partition was mounted, as its superblock says; -1 while there is none."""
    part = table(disk).get(DATA_LABEL)
    if part is None:
        return -1
    with disk.open("rb") as file:
        file.seek(part.start + 1024)
        block = file.read(64)
    (count,) = struct.unpack_from("<H", block, 52)
    (magic,) = struct.unpack_from("<H", block, 56)
    return count if magic == _EXT4_MAGIC else -1


def counted(disk: Path) -> dict[str, str]:
    """The boot loader's variables; empty where they cannot be read."""
    at = starts_mib()[IN_IMAGE.index(BOOT)] * MIB
    command = ["mtype", "-i", f"{disk}@@{at}", "::EFI/BOOT/grubenv"]
    said = subprocess.run(command, capture_output=True, text=True, env={"MTOOLS_SKIP_CHECK": "1"}).stdout
    lines = (line.partition("=") for line in said.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines if value or name}
