"""Partitions and the disk image, from files alone: nothing is mounted, equal input gives equal bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .layout import (
    BOOT,
    CONFIG,
    IN_IMAGE,
    MIB,
    SLOT_A,
    Partition,
    fixed,
    image_mib,
    sfdisk_script,
    starts_mib,
)
from .trouble import CannotBuild, run


def squashfs(tree: Path, file: Path, epoch: int) -> None:
    """The root: LZO, because the boot loader reads it and a slow processor unpacks it quickly. What packs in
    a fraction of the time makes it a fifth larger, and a hall's line has to carry it. Raises
    :class:`CannotBuild`."""
    file.unlink(missing_ok=True)
    times = ["-all-time", str(epoch), "-mkfs-time", str(epoch)]
    how = ["-comp", "lzo", "-noappend", "-no-progress", "-quiet", *times]
    # the tool refuses to be told the time twice
    env = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    run(["mksquashfs", tree, file, *how], env=env)
    if file.stat().st_size > SLOT_A.size_mib * MIB:
        size_mib = file.stat().st_size // MIB
        raise CannotBuild(f"the system takes {size_mib} MiB, a slot has {SLOT_A.size_mib} (layout.py)")


def fat(file: Path, partition: Partition, files: Mapping[str, bytes], epoch: int) -> None:
    """A FAT file system with these files (path → content). Raises :class:`CannotBuild`."""
    file.unlink(missing_ok=True)
    with file.open("wb") as out:
        out.truncate(partition.size_mib * MIB)
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC", "MTOOLS_SKIP_CHECK": "1"}
    volume = f"{fixed(partition.label).int & 0xFFFFFFFF:08x}"
    size = ["-F", "16", "-s", "4"] if partition is CONFIG else ["-F", "32", "-s", "1"]
    name = partition.label.upper()[:11]
    run(["mkfs.vfat", "--invariant", *size, "-i", volume, "-n", name, file], env=env)
    made: set[str] = set()
    scratch = file.with_suffix(".part")
    for path, content in sorted(files.items()):
        parents = [str(one) for one in reversed(Path(path).parents) if str(one) != "."]
        for parent in parents:
            if parent not in made:
                run(["mmd", "-i", file, f"::{parent}"], env=env)
                made.add(parent)
        scratch.write_bytes(content)
        os.utime(scratch, (epoch, epoch))
        run(["mcopy", "-m", "-i", file, scratch, f"::{path}"], env=env)
    scratch.unlink(missing_ok=True)


def assemble(image: Path, parts: Mapping[Partition, Path]) -> None:
    """The image: table, then each partition at its place. Raises :class:`CannotBuild`."""
    image.unlink(missing_ok=True)
    with image.open("wb") as out:
        out.truncate(image_mib() * MIB)
    script = image.with_suffix(".table")
    script.write_text(sfdisk_script())
    run(["sh", "-ec", 'exec sfdisk --quiet --no-reread --no-tell-kernel "$1" <"$2"', "sh", image, script])
    script.unlink()
    with image.open("r+b") as out:
        for start, partition in zip(starts_mib(), IN_IMAGE, strict=True):
            out.seek(start * MIB)
            with parts[partition].open("rb") as part:
                shutil.copyfileobj(part, out, MIB)


def parts(config: Path, boot: Path, root: Path) -> dict[Partition, Path]:
    """The files of the three partitions."""
    return {CONFIG: config, BOOT: boot, SLOT_A: root}
