"""What making, signing and checking releases refuses. Each text is a sentence that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ReleaseError(RuntimeError):
    """This cannot be done as things are. What is served is as it was; a second try goes on from here."""


class ToolMissing(ReleaseError):
    """A program or a Python package that builds is not installed."""


@contextmanager
def disk_told(folder: Path) -> Iterator[None]:
    """What the disk refuses becomes a :class:`ReleaseError`."""
    try:
        yield
    except PermissionError as error:
        raise ReleaseError(
            f"{error.filename or folder} cannot be used: run this as the user of the controller"
        ) from None
    except OSError as error:
        where = error.filename or folder
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ReleaseError(
                f"the disk of {where} is full: make room, then give the command again; what was done stays, "
                "and what is served is as it was"
            ) from None
        raise ReleaseError(f"{where} cannot be used: {error.strerror or error}") from None
