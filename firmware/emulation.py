"""Programs of another processor on this machine, for as long as an image is made: QEMU's user mode."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .trouble import CannotBuild

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name of an architecture → the kernel's."""
KERNEL = Path("/proc/sys/fs/binfmt_misc")
DESCRIBED = Path("/usr/lib/binfmt.d")


@contextmanager
def able_to_run(arch: str, kernel: Path = KERNEL, described: Path = DESCRIBED) -> Iterator[None]:
    """Let the kernel run programs of this architecture, also in a chroot. What is registered here is
    taken back, under a name of its own: what somebody else registered stays. Raises :class:`CannotBuild`."""
    machine = MACHINES[arch]
    if machine == platform.machine() or (kernel / f"qemu-{machine}").exists():
        yield
        return
    if not (kernel / "register").exists():
        raise CannotBuild(f"this kernel cannot be told to run {arch}: mount -t binfmt_misc none {kernel}")
    try:
        line = (described / f"qemu-{machine}.conf").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise CannotBuild("qemu-user-static is not installed: run tools/debian-packages.sh image") from None
    name = f"diemcau-{os.getpid()}"
    (kernel / "register").write_text(registration(line, name))
    try:
        yield
    finally:
        (kernel / name).write_text("-1")


def registration(line: str, name: str) -> str:
    """A line of binfmt.d(5), `:name:type:…`, under another name."""
    return line.replace(line.split(":")[1], name, 1)
