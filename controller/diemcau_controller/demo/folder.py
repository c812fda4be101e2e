"""The demonstration's state folder: everything lies in it, and only what is ours is ever wiped."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARKER = ".diemcau-demo"


class FolderRefused(OSError):
    """The folder cannot be used; the text says why."""


@contextmanager
def fresh_folder(root: Path) -> Iterator[Path]:
    """An empty folder, ours alone while it is held; what an earlier demonstration left there is wiped."""
    marker = root / MARKER
    try:
        if root.exists() and not marker.exists() and any(root.iterdir()):
            raise FolderRefused(
                f"{root} holds something that is not a demonstration's: give another --state-dir"
            )
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FolderRefused:
        raise
    except OSError as error:
        raise FolderRefused(f"the state folder {root} cannot be used: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderRefused(f"another demonstration runs in {root}") from None
        _wipe(root)
        yield root
    finally:
        os.close(lock)


def _wipe(root: Path) -> None:
    for entry in root.iterdir():
        if entry.name == MARKER:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
