"""A box that was flashed with the image: QEMU with UEFI firmware, a television and a cable; no way in.

What is known of it is what anybody in the hall sees, and what it says to its coordinator.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import zxingcpp
from PIL import Image

from firmware.layout import CONFIG, IN_IMAGE, MIB, starts_mib
from tests.lab.vm.guest import Guest, GuestFailed

T = TypeVar("T")
OVMF = Path("/usr/share/OVMF")
SCREEN = (1280, 720)
DISK_GIB = 8
MAC = "52:54:00:00:00:{:02x}"


class Box(Guest):
    """One box; `folder` holds its disk and what its firmware remembers. Its card and its disk are called by
    `number`."""

    fresh_vars = OVMF / "OVMF_VARS_4M.fd"

    def __init__(self, folder: Path, *, uplink: str, memory_mb: int = 2048, number: int = 2) -> None:
        super().__init__(folder, port=0, uplink=uplink, memory_mb=memory_mb)
        self._number = number
        self.disk, self._vars = folder / "disk.img", folder / "vars.fd"

    def flash(self, image: Path, boot_file: str = "") -> None:
        """Write the image onto a fresh disk, and put this `diemcau.toml` on the drive a laptop shows."""
        subprocess.run(["cp", "--sparse=always", image, self.disk], check=True)
        with self.disk.open("r+b") as disk:
            disk.truncate(DISK_GIB << 30)
        shutil.copy(self.fresh_vars, self._vars)
        if boot_file:
            self.rewrite(boot_file)

    def rewrite(self, boot_file: str) -> None:
        """Put this `diemcau.toml` on the drive a laptop shows."""
        file = self.folder / "diemcau.toml"
        file.write_text(boot_file, encoding="utf-8")
        at = starts_mib()[IN_IMAGE.index(CONFIG)] * MIB
        self._do(["mcopy", "-o", "-i", f"{self.disk}@@{at}", str(file), "::diemcau.toml"])

    def copy_of(self, other: Box) -> None:
        """Give it a copy of another's disk, as somebody does who copies a card; both are switched off."""
        subprocess.run(["cp", "--sparse=always", other.disk, self.disk], check=True)
        shutil.copy(self.fresh_vars, self._vars)

    def start(self) -> None:
        """Switch it on."""
        if self.running:
            raise GuestFailed(f"the box of {self.folder} runs already")
        self._qmp.unlink(missing_ok=True)
        self.console.unlink(missing_ok=True)
        self._do(self._command())

    def stop(self) -> None:
        """Pull the plug; the disk stays as it is at this moment."""
        if self.running:
            self.qmp("quit")
            while self.running:
                time.sleep(0.1)

    def shown(self, file: Path) -> Image.Image:
        """What the television shows."""
        return Image.open(self.screendump(file)).convert("RGB")

    def code(self, file: Path) -> str:
        """The text of the QR code on the television, "" while there is none."""
        codes = zxingcpp.read_barcodes(self.shown(file))
        return next((one.text for one in codes if "/e#" in one.text), "")

    def until(self, reached: Callable[[], T], seconds: float, failure: str) -> T:
        """Wait until `reached` gives something true, and give that. Raises :class:`GuestFailed`."""
        deadline = time.monotonic() + seconds
        while True:
            if found := reached():
                return found
            if not self.running:
                raise GuestFailed(f"{failure}: QEMU ended")
            if time.monotonic() > deadline:
                raise GuestFailed(failure)
            time.sleep(1)

    def written(self) -> int:
        """How many bytes it has written to its disk since it was switched on."""
        said = self.qmp("query-blockstats")
        return int(next(one["stats"]["wr_bytes"] for one in said if one.get("device") == "disk"))

    def _board(self) -> list[str]:
        firmware = f"if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd"
        return ["qemu-system-x86_64", "-machine", "q35", "-cpu", "max,avx=off,avx2=off", "-drive", firmware]

    def _command(self) -> list[str]:
        return [
            *(
                *self._board(),
                "-accel",
                "tcg,thread=multi,tb-size=512",
                "-smp",
                "2",
                "-m",
                str(self._memory_mb),
            ),
            *("-drive", f"if=pflash,format=raw,file={self._vars}"),
            *("-drive", f"file={self.disk},format=raw,if=none,id=disk,cache=writeback"),
            *("-device", f"virtio-blk-pci,drive=disk,serial=lab-{self._number},bootindex=0"),
            *("-device", f"virtio-gpu-pci,xres={SCREEN[0]},yres={SCREEN[1]}", "-vga", "none"),
            *("-device", "i6300esb", "-action", "watchdog=reset", "-device", "virtio-rng-pci"),
            *("-netdev", f"tap,id=uplink,ifname={self._uplink},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=uplink,mac={MAC.format(self._number)}"),
            *("-display", f"vnc=unix:{self.folder}/vnc.sock", "-serial", f"file:{self.console}"),
            *("-qmp", f"unix:{self._qmp},server=on,wait=off", "-pidfile", str(self._pid), "-daemonize"),
        ]


class Plain(Box):
    """A plain Debian with the image's kernel on the same hardware, for comparison: by what time does its sshd
    answer?"""

    def flash(self, image: Path, boot_file: str = "") -> None:
        """`image` is a folder with disk.img, vmlinuz and initrd.img."""
        self._from = image
        subprocess.run(["cp", "--sparse=always", image / "disk.img", self.disk], check=True)
        shutil.copy(OVMF / "OVMF_VARS_4M.fd", self._vars)

    def _command(self) -> list[str]:
        kernel = ["-kernel", str(self._from / "vmlinuz"), "-initrd", str(self._from / "initrd.img")]
        # QEMU starts the kernel it is given, so nothing else may come first
        words = [word.removesuffix(",bootindex=0") for word in super()._command()]
        return [*words, *kernel, "-append", "root=/dev/vda rw quiet"]
