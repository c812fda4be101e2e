"""Which units have rights now, read straight from the file: for processes beside the controller.

The porter at Janus's door and the launcher must not depend on the controller, and need no more than this.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Admitted:
    """`units` serve a site; certificates with a serial in `revoked` count no more, whosever they are."""

    units: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()

    def lets_in(self, unit: str, serial: str) -> bool:
        """May the holder of this certificate in?"""
        return unit in self.units and serial not in self.revoked


def admitted(database: Path) -> Admitted:
    """As the database stands now. Nobody, while there is none or its tables are not made.

    Raises sqlite3.Error for one that cannot be read.
    """
    if not database.exists():
        return Admitted()
    address = f"{database.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE_S)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not {"unit", "certificate"} <= tables:
            return Admitted()
        units = connection.execute("SELECT id FROM unit WHERE site_id IS NOT NULL").fetchall()
        revoked = connection.execute("SELECT serial FROM certificate WHERE revoked_at IS NOT NULL").fetchall()
    return Admitted(frozenset(unit for (unit,) in units), frozenset(serial for (serial,) in revoked))
