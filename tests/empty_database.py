"""The controller's two files, empty: what the migrations make of nothing, made once and copied after that."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from diemcau_controller.store.database import Database


def empty_database(controller: Path, health: Path) -> Database:
    """Open both files; those that are not there are empty ones, in the newest form."""
    for path, content in zip((controller, health), _made_once(), strict=True):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return Database(controller, health)


@cache
def _made_once() -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        controller, health = Path(folder, "controller.sqlite"), Path(folder, "health.sqlite")
        Database(controller, health).close()  # the last to close a file moves what its journal has into it
        return controller.read_bytes(), health.read_bytes()
