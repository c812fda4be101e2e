"""Unix sockets between processes of one machine: their names fit however deep a state folder lies."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST = 107  # bytes of a name in a Unix socket address
_WAITING = 1024


def listen(path: Path) -> socket.socket:
    """A listening socket at `path` for this user only, in place of what an earlier process left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(path) as name:
        sock.bind(name)
    path.chmod(0o600)
    sock.listen(_WAITING)
    return sock


def connect(path: Path) -> socket.socket:
    """A blocking connection to the socket at `path`. Raises OSError when nobody listens."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as name:
            sock.connect(name)
    except OSError:
        sock.close()
        raise
    return sock


@contextmanager
def _short(path: Path) -> Iterator[str]:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
