"""What root does in the controller's folders belongs to the controller, which goes on with it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..config import StateDir


def hand_over(state: StateDir, paths: Iterable[Path]) -> None:
    """Give each of `paths`, as far as it is there, to the owner of the state folder. Raises OSError."""
    if os.geteuid() != 0 or not state.root.is_dir():
        return
    owner = state.root.stat()
    for path in paths:
        with suppress(FileNotFoundError):  # the controller works there, too
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
