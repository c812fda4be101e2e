"""A network of our own: one machine, one address, nothing outside can be reached or disturbed.

Neither aioice nor Janus will use the loopback interface for media, so a demonstration or a test needs
a real address. In a network namespace of its own it gets one (198.51.100.1, RFC 5737) on a veth pair whose
other end lies in the same namespace: packets never leave the kernel.

    python -m diemcau_controller.namespace COMMAND [ARGUMENT …]
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

ADDRESS = "198.51.100.1"
_INSIDE = "DIEMCAU_NAMESPACE"
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


class NoNamespace(OSError):
    """This machine does not let us make a network namespace."""


def inside() -> bool:
    """True when this process already runs in a namespace made by :func:`enter`."""
    return os.environ.get(_INSIDE) == str(Path("/proc/self/ns/net").stat().st_ino)


def obstacle() -> str | None:
    """Why :func:`enter` would fail on this machine; None when it would not.

    Tried out in a process of its own: some systems let the first step succeed and forbid the second, and
    whoever took the first has left his network for good.
    """
    trial = [sys.executable, "-m", "diemcau_controller.namespace", "true"]
    done = subprocess.run(trial, capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr.strip().rpartition(": ")[2] or "unknown reason"


def enter() -> None:
    """Move this process, and so its future children, into a new network namespace.

    Sockets opened before stay where they were. Without root a user namespace is made too, in which we
    are root over nothing but this network. Must be called before a second thread is started. Raises
    :class:`NoNamespace` when the kernel or its administrator forbids it.
    """
    if shutil.which("ip") is None:
        raise NoNamespace("the command `ip` (package iproute2) is missing")
    uid, gid = os.geteuid(), os.getegid()
    flags = _CLONE_NEWNET if uid == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise NoNamespace(os.strerror(ctypes.get_errno()))
    try:
        if uid != 0:
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"0 {uid} 1")
            _write("/proc/self/gid_map", f"0 {gid} 1")
        for arguments in (
            ("link", "set", "lo", "up"),
            ("link", "add", "dc0", "type", "veth", "peer", "name", "dc1"),
            ("address", "add", f"{ADDRESS}/24", "dev", "dc0"),
            ("link", "set", "dc0", "up"),
            ("link", "set", "dc1", "up"),
        ):
            subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoNamespace(str(getattr(error, "stderr", None) or error).strip()) from error
    os.environ[_INSIDE] = str(Path("/proc/self/ns/net").stat().st_ino)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123 - one write(2), as the kernel demands
        file.write(text)


def main() -> int:
    """Run a command inside; exit 3 when there can be no inside."""
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    try:
        if not inside():
            enter()
    except NoNamespace as error:
        print(f"cannot make a network namespace: {error}", file=sys.stderr)  # noqa: T201
        return 3
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
