"""Nothing outlives its parent: prctl(2), PR_SET_PDEATHSIG."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

PARENT = "DIEMCAU_PARENT"  # in the environment of a child: the pid of the unit process that started it
_PR_SET_PDEATHSIG = 1


def die_with_parent(sent: signal.Signals = signal.SIGKILL, *, parent: int | None = None) -> None:
    """Have the kernel send `sent` to this process when its parent ends.

    Call it first thing in `main`. `parent` is the pid of the parent as it was told to us; when it is
    gone already the signal is sent at once; so it is when the unit process that `PARENT` names has ended.
    Without either a parent that ended before this call goes unnoticed. Raises OSError when the kernel
    refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    expected = os.getppid() if parent is None else parent
    if libc.prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    if os.getppid() != expected or not _runs(os.environ.get(PARENT, "")):
        os.kill(os.getpid(), sent)


def _runs(named: str) -> bool:
    """False when the process with that pid has ended; True for "", when nobody named one."""
    if not named.isdigit():
        return True
    try:
        state = Path("/proc", named, "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[:1] != ["Z"]  # ended, and nobody has looked yet
