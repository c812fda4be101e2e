"""Which units may dial in by SSH now, read straight from the file: for the process that lets them in, which
must not depend on the controller."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_PATIENCE_S = 2.0
_ASKED = (
    "SELECT unit.id, tunnel_port.port FROM unit JOIN tunnel_port ON tunnel_port.unit_id = unit.id "
    "WHERE unit.site_id IS NOT NULL AND unit.ended IS NULL"
)


def reachable(database: Path) -> dict[str, int]:
    """Units that serve a site, each with the port it may listen on. Nobody, while there is no database or its
    tables are not made. Raises sqlite3.Error for one that cannot be read."""
    if not database.exists():
        return {}
    address = f"{database.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE_S)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not {"unit", "tunnel_port"} <= tables:
            return {}
        return dict(connection.execute(_ASKED).fetchall())
