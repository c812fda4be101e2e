"""A generic arm64 machine that was flashed with the image: UEFI, a disk, a television and a cable, but nothing of
what makes a Raspberry Pi."""

from __future__ import annotations

from pathlib import Path

from .box import MAC, SCREEN, Box

AAVMF = Path("/usr/share/AAVMF")


class Virt(Box):
    """QEMU's `virt` machine with the processor of a Raspberry Pi 4; without `uplink` no cable is plugged in."""

    fresh_vars = AAVMF / "AAVMF_VARS.fd"

    def _command(self) -> list[str]:
        cable = [
            *("-netdev", f"tap,id=uplink,ifname={self._uplink},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=uplink,mac={MAC}"),
        ]
        return [
            *("qemu-system-aarch64", "-machine", "virt", "-accel", "tcg,thread=multi,tb-size=512"),
            *("-cpu", "cortex-a72", "-smp", "2", "-m", str(self._memory_mb)),
            *("-drive", f"if=pflash,format=raw,readonly=on,file={AAVMF}/AAVMF_CODE.fd"),
            *("-drive", f"if=pflash,format=raw,file={self._vars}"),
            *("-drive", f"file={self.disk},format=raw,if=virtio,cache=writeback"),
            *("-device", f"virtio-gpu-pci,xres={SCREEN[0]},yres={SCREEN[1]}"),
            *("-device", "virtio-rng-pci", *(cable if self._uplink else ("-nic", "none"))),
            *("-display", f"vnc=unix:{self.folder}/vnc.sock", "-serial", f"file:{self.console}"),
            *("-qmp", f"unix:{self._qmp},server=on,wait=off", "-pidfile", str(self._pid), "-daemonize"),
        ]
