"""How often this identity has connected from this disk. Copies of a disk count on by themselves, each its own
number, and so the controller sees that there are two."""

from __future__ import annotations

import logging
from pathlib import Path

from .state_folder import write_atomically

log = logging.getLogger(__name__)
_MOST = 2**53


def read(path: Path) -> int:
    """The number so far; 0 where none can be read."""
    try:
        return max(0, min(_MOST, int(path.read_bytes()[:20])))
    except (OSError, ValueError):
        return 0


def count(path: Path) -> int:
    """One more, stored before it is told to anybody. A disk that takes nothing stops the counting only."""
    number = min(_MOST, read(path) + 1)
    try:
        write_atomically(path, str(number).encode())
    except OSError as error:
        log.error("the number of connections cannot be stored", extra={"error": str(error)})
    return number
