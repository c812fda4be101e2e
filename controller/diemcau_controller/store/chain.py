"""The list of changes as rows of the file, read in order and bit by bit: to check the chain, to make it.

It reads SQLite's own values, so a row that was changed by hand is judged as it lies there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ..rules.audit_chain import NOTHING_BEFORE, Entry, Verdict, link

_COLUMNS = "number, at, who, action, subject, before, after"
_AT_A_TIME = 500
_NO_TIME = datetime.min.replace(tzinfo=UTC)


class ChainUnreadable(RuntimeError):
    """There is no list of changes to look at; the text says why and what to do."""


def chained_rows(database: Path) -> Iterator[tuple[Entry, str]]:
    """Every row of the list with the hash it carries, in order; one consistent view.

    A row of which something cannot be read (a time that is none, say) comes with an empty hash. Raises
    :class:`ChainUnreadable`.
    """
    if not database.is_file():
        raise ChainUnreadable(f"there is no {database}: name the controller's folder with --state-dir")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as file:
        try:
            file.execute("BEGIN")
            rows = file.execute(f"SELECT {_COLUMNS}, hash FROM audit ORDER BY number")
            for row in rows:
                try:
                    yield _entry(row), str(row[7])
                except (ValueError, TypeError, RecursionError):
                    yield _only_number(row[0]), ""
        except sqlite3.Error as error:
            raise ChainUnreadable(
                f"{database} cannot be read as a database of this version ({error}): "
                "start the controller once, or restore a backup"
            ) from None


def chain(connection: Connection) -> None:
    """Give every row its hash: for a list made before there was a chain."""
    last = NOTHING_BEFORE
    done = 0
    while True:
        rows = connection.exec_driver_sql(
            f"SELECT {_COLUMNS} FROM audit WHERE number > ? ORDER BY number LIMIT {_AT_A_TIME}", (done,)
        ).all()
        if not rows:
            return
        hashes = []
        for row in rows:
            last, done = link(last, _entry(tuple(row))), int(row[0])
            hashes.append((last, done))
        connection.exec_driver_sql("UPDATE audit SET hash = ? WHERE number = ?", hashes)


def verdict_line(verdict: Verdict) -> str:
    """What was found, as a sentence for the log and the command line."""
    if verdict.whole:
        return f"the list of changes is whole: {verdict.rows} rows, head {verdict.head}"
    told = {
        "changed": "row {} was changed or stands in another row's place",
        "missing": "rows before {} are missing",
        "inserted": "row {} was inserted",
        "cut": "the list was cut: it once went on to row {}",
        "rewritten": "row {} and perhaps all before it were written anew",
    }
    faults = "; ".join(told[fault.what].format(fault.number) for fault in verdict.faults)
    more = (
        "" if verdict.broken == len(verdict.faults) else f"; and {verdict.broken - len(verdict.faults)} more"
    )
    return f"the list of changes is broken in {verdict.broken} places: {faults}{more}"


def _entry(row: tuple[Any, ...]) -> Entry:
    at = datetime.fromisoformat(row[1]).replace(tzinfo=UTC)
    return Entry(int(row[0]), at, str(row[2]), str(row[3]), str(row[4]), _json(row[5]), _json(row[6]))


def _only_number(number: Any) -> Entry:
    return Entry(int(number), _NO_TIME, "", "", "", None, None)


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
