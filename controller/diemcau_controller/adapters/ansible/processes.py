"""The processes of a run. Ansible's workers are sessions of their own: who kills its process group, as
ansible-runner does, leaves them and what they started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def processes_of(folder: Path) -> list[int]:
    """Our child that works in that folder, and everything below it."""
    mark = os.fsencode(str(folder))
    found = [pid for pid in _children(os.getpid()) if mark in _command(pid)]
    for pid in found:  # grows as it goes
        found.extend(_children(pid))
    return found


def kill(pids: list[int]) -> None:
    """End them, whatever they do."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> Iterator[int]:
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, file.read_text().split())


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
