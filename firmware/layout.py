"""How the disk of a unit is divided, and what the partitions are called. Pure: sizes in MiB, text for sfdisk.

The image holds the first three partitions. The second root slot and the data partition are made at the first
boot, to the size of the disk that is there (`firmware/system/usr/lib/repart.d/`).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

MIB = 1 << 20
SECTOR = 512
FIRST_MIB = 1
"""Partitions begin at whole MiB, which every medium's blocks divide; the first one is the table's."""

# Of the UEFI specification: what firmware boots from, and what every laptop shows as a drive.
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
SHOWN = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
# Ours, so that no other system takes them for something of its own.
SLOT = "6a0e0f5c-5a0d-4f43-9a3c-3f7a0d1c5e01"
DATA = "6a0e0f5c-5a0d-4f43-9a3c-3f7a0d1c5e02"

_NAMES = uuid.UUID("6a0e0f5c-5a0d-4f43-9a3c-3f7a0d1c5e00")


def fixed(name: str) -> uuid.UUID:
    """The same identifier for the same name in every image: two builds shall be equal."""
    return uuid.uuid5(_NAMES, name)


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; `label` is its name in the table, by which the system finds it."""

    label: str
    kind: str
    size_mib: int

    @property
    def guid(self) -> str:
        """None in a slot: systemd-repart gives it one at the first boot, another one on each disk. So a box
        with two flashed disks takes all it needs from the one it was started from."""
        return str(uuid.UUID(int=0) if self.kind == SLOT else fixed(self.label)).upper()


CONFIG = Partition("diemcau", SHOWN, 32)
BOOT = Partition("diemcau-boot", ESP, 64)
SLOT_A = Partition("diemcau-a", SLOT, 1536)
SLOT_B = Partition("diemcau-b", SLOT, SLOT_A.size_mib)
DATA_LABEL = "diemcau-data"
# the one that is booted from is the first: a Raspberry Pi reads the first FAT of a disk and no other
IN_IMAGE = (BOOT, CONFIG, SLOT_A)
LEAST_DATA_MIB = 2048
LEAST_DISK_MIB = FIRST_MIB + sum(p.size_mib for p in (*IN_IMAGE, SLOT_B)) + LEAST_DATA_MIB + FIRST_MIB


def starts_mib(partitions: Sequence[Partition] = IN_IMAGE) -> list[int]:
    """Where each partition begins, one after the other."""
    at, found = FIRST_MIB, []
    for one in partitions:
        found.append(at)
        at += one.size_mib
    return found


def image_mib(partitions: Sequence[Partition] = IN_IMAGE) -> int:
    """How large the image is: behind the last partition lies the copy of the table."""
    return FIRST_MIB + sum(one.size_mib for one in partitions) + FIRST_MIB


def sfdisk_script(partitions: Sequence[Partition] = IN_IMAGE) -> str:
    """What `sfdisk IMAGE` reads to write the table."""
    per_mib = MIB // SECTOR
    lines = ["label: gpt", f"label-id: {str(fixed('disk')).upper()}", "unit: sectors", ""]
    for start, one in zip(starts_mib(partitions), partitions, strict=True):
        lines.append(
            f"start={start * per_mib}, size={one.size_mib * per_mib}, type={one.kind.upper()}, "
            f'uuid={one.guid}, name="{one.label}"'
        )
    return "\n".join(lines) + "\n"
