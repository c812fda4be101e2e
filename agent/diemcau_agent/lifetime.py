"""Nothing outlives its parent: prctl(2), PR_SET_PDEATHSIG."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(sent: signal.Signals = signal.SIGKILL, *, parent: int | None = None) -> None:
    """Have the kernel send `sent` to this process when its parent ends.

    Call it first thing in `main`. `parent` is the pid of the parent as it was told to us; when it is
    gone already the signal is sent at once. Without `parent` a parent that ended before this call goes
    unnoticed. Raises OSError when the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    expected = os.getppid() if parent is None else parent
    if libc.prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    if os.getppid() != expected:
        os.kill(os.getpid(), sent)
