"""One hall's machine under QEMU: started, spoken to by ssh, looked at from outside, ended.

Its network card for ssh is reachable at a port of 127.0.0.1 (of the network namespace QEMU runs in) and leads
nowhere else; a second one, the hall's line, is a TAP device of that namespace when `uplink` names one. The
checkout is readable inside at /repo. It runs without hardware virtualisation, so everything in it is about
twenty times slower than outside.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab.machine import Machine, MachineFailed

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".lab/vm"
PYTHON = Path("/opt/diemcau/bin/python")
# the checkout is read-only in the guest, and always what it is outside at this moment
IN_REPO = (
    "cd /repo && export PYTHONPATH=/repo/wire:/repo/agent:/repo/controller "
    "PYTHONPYCACHEPREFIX=/var/cache/pyc "
    f"PATH={PYTHON.parent}:$PATH && "
)
BOOT_LIMIT_S = 400
SCREEN = (960, 540)  # what its display says it likes: half the work of the usual size
_SSH = (
    *("ssh", "-q", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=30", "-o", "ServerAliveCountMax=10"),
)


class GuestFailed(MachineFailed):
    """The guest did not do what the lab needs of it; the text says what."""


class Guest(Machine):
    """A machine whose disk is thrown away when it ends, unless `disk` is one that is kept."""

    failure = GuestFailed

    def __init__(self, folder: Path, *, port: int, uplink: str | None = None, memory_mb: int = 2048) -> None:
        self.folder, self.port = folder, port
        self._uplink, self._memory_mb = uplink, memory_mb
        folder.mkdir(parents=True, exist_ok=True)
        self.disk, self.console = folder / "disk.qcow2", folder / "console.log"
        self._qmp, self._pid = folder / "qmp.sock", folder / "qemu.pid"

    # ── beginning and end ────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Boot it from a fresh disk over the built one. Raises :class:`GuestFailed`."""
        if self.running:
            raise GuestFailed(f"the guest of {self.folder} runs already")
        base = ["-b", str(FOLDER / "base.img"), "-F", "raw"]
        self._do(["qemu-img", "create", "-q", "-f", "qcow2", *base, str(self.disk)])
        self._qmp.unlink(missing_ok=True)
        self._do(self._command())
        self.wait()

    def wait(self) -> None:
        """Wait until ssh answers and the boot is over."""
        deadline = time.monotonic() + BOOT_LIMIT_S
        while True:
            if not self.running:
                raise GuestFailed(f"QEMU ended; see {self.console}")
            if self.run("systemctl is-system-running --wait", check=False, limit_s=BOOT_LIMIT_S) in (
                "running\n",
                "degraded\n",
            ):
                return
            if time.monotonic() > deadline:
                raise GuestFailed(f"the guest did not boot within {BOOT_LIMIT_S} s; see {self.console}")
            time.sleep(2)

    @property
    def running(self) -> bool:
        """True while QEMU runs."""
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """Of QEMU."""
        try:
            pid = int(self._pid.read_text())
            return pid if b"qemu" in Path(f"/proc/{pid}/cmdline").read_bytes() else None
        except (OSError, ValueError):
            return None

    def stop(self) -> None:
        """Pull the plug and throw the disk away."""
        if self.running:
            self.qmp("quit")
            while self.running:
                time.sleep(0.1)
        self.disk.unlink(missing_ok=True)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    def run(self, command: str, *, check: bool = True, limit_s: float = 120, given: bytes = b"") -> str:
        """Run a shell command as root in the guest; gives what it printed. Raises :class:`GuestFailed`."""
        try:
            done = subprocess.run(
                [*self.ssh(), command], input=given, capture_output=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            if check:
                raise GuestFailed(f"`{command[:120]}` did not end within {limit_s:.0f} s") from None
            return ""
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise GuestFailed(f"`{command[:120]}` ended with {done.returncode}: {said[-600:]}")
        return done.stdout.decode(errors="replace")

    def begin(self, command: str) -> subprocess.Popen[bytes]:
        """Run a shell command beside everything else; whoever began it ends it."""
        nothing = subprocess.DEVNULL
        return subprocess.Popen([*self.ssh(), command], stdin=nothing, stdout=nothing, stderr=nothing)

    def ssh(self, *options: str) -> list[str]:
        """The command that opens a shell in it."""
        return [*_SSH, "-i", str(FOLDER / "key"), "-p", str(self.port), *options, "root@127.0.0.1"]

    # ── from outside ─────────────────────────────────────────────────────────────────────────────

    def screendump(self, file: Path) -> Path:
        """What the first screen of the machine shows, as a PNG."""
        self.qmp("screendump", {"filename": str(file.absolute()), "format": "png"})
        return file

    def qmp(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Ask QEMU itself. Raises :class:`GuestFailed`."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(60)
            try:
                line.connect(str(self._qmp))
                stream = line.makefile("rw", encoding="utf-8")
                json.loads(stream.readline())
                for one, more in (("qmp_capabilities", None), (command, arguments)):
                    stream.write(json.dumps({"execute": one, **({"arguments": more} if more else {})}) + "\n")
                    stream.flush()
                    answer = json.loads(stream.readline())
                    while "event" in answer:
                        answer = json.loads(stream.readline())
                    if "error" in answer:
                        raise GuestFailed(f"QEMU refuses {one}: {answer['error'].get('desc')}")
            except (OSError, ValueError) as error:
                if command == "quit":
                    return None
                raise GuestFailed(f"QEMU does not answer {command}: {error}") from None
        return answer.get("return")

    def _command(self) -> list[str]:
        lines = [
            *("-netdev", f"user,id=ssh,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"),
            *("-device", "virtio-net-pci,netdev=ssh,mac=52:54:00:00:00:01"),
        ]
        if self._uplink is not None:
            lines += [
                *("-netdev", f"tap,id=uplink,ifname={self._uplink},script=no,downscript=no"),
                *("-device", "virtio-net-pci,netdev=uplink,mac=52:54:00:00:00:02"),
            ]
        return [
            *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512"),
            *("-cpu", "max,avx=off,avx2=off", "-smp", "2", "-m", str(self._memory_mb)),
            *("-kernel", str(FOLDER / "vmlinuz"), "-initrd", str(FOLDER / "initrd.img")),
            *(
                "-append",
                "root=/dev/vda rw console=ttyS0 quiet loglevel=3 vt.global_cursor_default=0 mitigations=off",
            ),
            *("-drive", f"file={self.disk},if=virtio,cache=unsafe"),
            *("-virtfs", f"local,path={ROOT},mount_tag=repo,security_model=none,readonly=on,id=repo"),
            *("-device", f"virtio-gpu-pci,xres={SCREEN[0]},yres={SCREEN[1]}"),
            *("-device", "i6300esb", "-action", "watchdog=reset"),
            *("-device", "virtio-rng-pci", "-vga", "none", "-display", f"vnc=unix:{self.folder}/vnc.sock"),
            *("-qmp", f"unix:{self._qmp},server=on,wait=off", "-serial", f"file:{self.console}"),
            *("-pidfile", str(self._pid), "-daemonize"),
            *lines,
        ]

    def _do(self, command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise GuestFailed(f"{command[0]} failed: {done.stderr.strip()[-600:]}")
