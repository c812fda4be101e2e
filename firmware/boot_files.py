"""What a machine's firmware starts, until the system takes over: GRUB, found by UEFI, on every machine. A
Raspberry Pi has no UEFI of its own: its firmware starts U-Boot, which offers it (`raspberry/config.txt`).

All of it is taken from the cache of packages, so it is the same on every machine that builds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .cache import PackageCache
from .packages import HERE
from .trouble import CannotBuild, run

RASPBERRY = HERE / "raspberry"
_MODULES = (
    *("part_gpt", "fat", "squash4", "lzopio", "gzio", "normal", "configfile", "loadenv", "regexp", "test"),
    *("linux", "boot", "sleep", "reboot", "probe", "echo", "ls", "cat", "efi_gop", "all_video", "video"),
)


@dataclass(frozen=True, slots=True)
class Grub:
    """GRUB for one architecture: where it comes from, what it is made as, where UEFI looks for it."""

    package: str
    target: str
    name: str


GRUB = {
    "amd64": Grub("grub-efi-amd64-bin", "x86_64-efi", "BOOTX64.EFI"),
    "arm64": Grub("grub-efi-arm64-bin", "arm64-efi", "BOOTAA64.EFI"),
}
RASPBERRY_PACKAGES = {
    "raspi-firmware": ("usr/lib/raspi-firmware", ("start4.elf", "fixup4.dat")),
    "u-boot-rpi": ("usr/lib/u-boot/rpi_arm64", ("u-boot.bin",)),
}
"""Package → where in it, which files."""
DEVICE_TREES = "usr/lib/linux-image-*/broadcom/bcm2711-rpi-*.dtb"
"""Of the kernel in the tree: Raspberry Pi 4 B, 400 and the Compute Module 4."""


def boot_packages(arch: str) -> list[str]:
    """The packages whose files lie beside the system, not in it."""
    return [GRUB[arch].package, *(RASPBERRY_PACKAGES if arch == "arm64" else ())]


def boot_files(arch: str, grubenv: bytes, tree: Path, cache: PackageCache, scratch: Path) -> dict[str, bytes]:
    """What lies on the partition that is booted from (path → content). Raises :class:`CannotBuild`."""
    found = _grub(GRUB[arch], cache, scratch)
    found["EFI/BOOT/grub.cfg"] = (HERE / "grub/grub.cfg").read_bytes()
    found["EFI/BOOT/grubenv"] = grubenv
    if arch == "arm64":
        found |= dict(_raspberry(tree, cache, scratch))
    return found


def _grub(grub: Grub, cache: PackageCache, scratch: Path) -> dict[str, bytes]:
    modules = cache.unpacked(grub.package, scratch / grub.package) / "usr/lib/grub" / grub.target
    made = scratch / grub.name
    early = HERE / "grub/early.cfg"
    how = ["-O", grub.target, "-d", modules, "-p", "/EFI/BOOT", "-c", early, "-o", made]
    run(["grub-mkimage", *how, *_MODULES])
    return {f"EFI/BOOT/{grub.name}": made.read_bytes()}


def _raspberry(tree: Path, cache: PackageCache, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """What a Raspberry Pi 4 reads before there is UEFI, at the top of the first FAT."""
    yield "config.txt", (RASPBERRY / "config.txt").read_bytes().replace(b"\n", b"\r\n")
    for package, (folder, names) in RASPBERRY_PACKAGES.items():
        unpacked = cache.unpacked(package, scratch / package)
        for name in names:
            yield name, (unpacked / folder / name).read_bytes()
    trees = sorted(tree.glob(DEVICE_TREES))
    if not trees:
        raise CannotBuild(f"the kernel brings no {DEVICE_TREES}: a Raspberry Pi cannot be started by it")
    for path in trees:
        yield path.name, path.read_bytes()
