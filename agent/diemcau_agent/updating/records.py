"""What the updater keeps on disk and what others write for it: read, or plainly not there."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from diemcau_wire import Refused
from diemcau_wire.enrolment import take
from diemcau_wire.messages import Part

from diemcau_agent.unit.state_folder import write_atomically

log = logging.getLogger(__name__)

READABLE = 0o640  # by the unit process, which passes on how far an update is
_MAX_BYTES = 64 * 1024
_M = TypeVar("_M", bound=Part)


def read(model: type[_M], path: Path) -> _M | None:
    """The document at `path`; None when there is none that can be read."""
    try:
        with path.open("rb") as file:
            return take(model, file.read(_MAX_BYTES + 1))
    except FileNotFoundError:
        return None
    except (OSError, Refused) as error:
        log.error("unreadable", extra={"path": str(path), "error": str(error)})
        return None


def write(path: Path, document: Part) -> None:
    """Replace the document at `path`. Raises OSError."""
    write_atomically(path, document.model_dump_json(exclude_none=True).encode(), mode=READABLE)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock `path` for a moment: of those who read, change and write the same document."""
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def lock_alone(path: Path) -> int | None:
    """Hold the lock `path` for as long as the descriptor is open; None when another process holds it."""
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o660)
    with contextlib.suppress(PermissionError):  # not ours: then it is so already
        os.fchmod(lock, 0o660)  # also made by root it is a lock for the updater
    return lock
