"""Tables somebody sent to look at before they are imported: kept for a day, also when the session ends.

They lie in the state folder under a random id with whose they are. Never many: the oldest gives way.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ..rules.actor import Actor
from ..rules.refusals import NotFound
from .controller import Controller

KEPT_FOR = timedelta(hours=24)
_MOST = 20


@dataclass(frozen=True, slots=True)
class KeptTable:
    """`name` is the file's name at home, `at` when it came."""

    id: str
    name: str
    at: datetime
    data: bytes


def keep_table(controller: Controller, who: Actor, name: str, data: bytes) -> str:
    """Keep a table and give its id. `data` must have been read once, so that it is a table."""
    now = controller.now()
    kept = sorted((about.get("at", ""), path) for path, about in _kept(controller, now))
    for _, path in kept[: max(0, len(kept) - _MOST + 1)]:
        path.unlink(missing_ok=True)
    table_id = secrets.token_hex(16)
    about = {"who": who.name, "name": name[:200], "at": now.isoformat()}
    path = _folder(controller) / f"{table_id}.table"
    path.write_bytes(json.dumps(about).encode() + b"\n" + data)
    return table_id


def kept_table(controller: Controller, who: Actor, table_id: str) -> KeptTable:
    """A table that somebody sent within the last day, for nobody else."""
    for path, about in _kept(controller, controller.now()):
        if path.stem == table_id and about.get("who") == who.name:
            data = path.read_bytes().partition(b"\n")[2]
            return KeptTable(table_id, about["name"], datetime.fromisoformat(about["at"]), data)
    raise NotFound("this table is not kept any more: send it again", code="table.not_kept")


def kept_tables(controller: Controller, who: Actor) -> list[KeptTable]:
    """What somebody sent and did not import yet, the newest first."""
    mine = [path.stem for path, about in _kept(controller, controller.now()) if about.get("who") == who.name]
    return sorted(
        (kept_table(controller, who, one) for one in mine), key=lambda table: table.at, reverse=True
    )


def drop_table(controller: Controller, who: Actor, table_id: str) -> None:
    """It has been imported, or is not wanted."""
    kept_table(controller, who, table_id)
    (_folder(controller) / f"{table_id}.table").unlink(missing_ok=True)


def _kept(controller: Controller, now: datetime) -> list[tuple[Path, dict[str, str]]]:
    """What is kept, after throwing away what is too old or cannot be read."""
    found = []
    for path in _folder(controller).glob("*.table"):
        try:
            with path.open("rb") as file:
                about = json.loads(file.readline(2000))
            old = now - datetime.fromisoformat(about["at"]) > KEPT_FOR
        except (OSError, ValueError, KeyError, TypeError):
            old = True
        if old:
            path.unlink(missing_ok=True)
        else:
            found.append((path, about))
    return found


def _folder(controller: Controller) -> Path:
    folder = controller.state.root / "tables"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
