"""Events on their way to the controller: SQLite, so that a power cut loses none.

An event stays pending until a receipt of the controller covers it, and is kept as history after that.
A stream is made with the file and numbers its events from 1 without gaps. While the disk takes nothing,
events live in memory under a stream of their own, that begins with `disk_full`; as soon as it does,
they are written to the file under that stream.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from diemcau_wire.messages import Event, EventKind

log = logging.getLogger(__name__)

KEPT_RECEIVED = 20_000
KEPT_IN_MEMORY = 5_000
_PRUNE_EVERY = 256
_SCHEMA = """
CREATE TABLE IF NOT EXISTS stream (id TEXT PRIMARY KEY, unit TEXT NOT NULL, own INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS event (
    n INTEGER PRIMARY KEY, stream TEXT NOT NULL, seq INTEGER NOT NULL, boot_id TEXT NOT NULL,
    at TEXT NOT NULL, kind TEXT NOT NULL, site TEXT, meeting TEXT, data TEXT NOT NULL,
    received INTEGER NOT NULL DEFAULT 0, UNIQUE (stream, seq)) STRICT;
CREATE INDEX IF NOT EXISTS pending ON event (n) WHERE received = 0;
"""
_COLUMNS = "stream, seq, boot_id, at, kind, site, meeting, data"
_INSERT = f"INSERT INTO event ({_COLUMNS}, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_VISIT_KINDS = (EventKind.JOINED, EventKind.DROPPED, EventKind.REJOINED, EventKind.LEFT)


class Outbox:
    """The outbox of one unit process. Not for more than one thread."""

    def __init__(self, path: Path, unit: str, boot_id: str, *, kept: int = KEPT_RECEIVED) -> None:
        self._path, self._unit, self._boot_id, self._kept = path, unit, boot_id, kept
        self._file: sqlite3.Connection | None = None
        self._stream = ""
        self._last = 0
        self._memory: list[Event] = []
        self._memory_received = 0
        self._written = 0
        self.receipts_refused = 0
        self._open()

    def append(
        self, kind: EventKind, at: datetime, site: str | None, meeting: str | None, data: Mapping[str, Any]
    ) -> Event:
        """Number an event and keep it. Never fails: what the disk does not take stays in memory."""
        self.settle()
        error: str | None = "no outbox file"
        for _ in range(2):  # again when the file turned out corrupt and a new one took its place
            stream = self._stream
            if self._memory or self._file is None:
                break
            event = self._event(stream, self._last + 1, kind, at, site, meeting, data)
            error = self._insert(event)
            if error is None:
                self._last = event.seq
                self._prune()
                return event
            if stream == self._stream:
                break
        if not self._memory:
            log.error("outbox cannot be written, events are kept in memory", extra={"error": error})
            told = {"text": str(error)[:200]}
            stream = uuid.uuid4().hex[:12]
            self._memory = [self._event(stream, 1, EventKind.DISK_FULL, at, site, None, told)]
            self._memory_received = 0
        first, last = self._memory[0], self._memory[-1]
        event = self._event(first.stream, last.seq + 1, kind, at, site, meeting, data)
        self._memory.append(event)
        if len(self._memory) > KEPT_IN_MEMORY:
            log.error("events lost: too many in memory", extra={"seq": self._memory.pop(0).seq})
        return event

    def settle(self) -> bool:
        """Try to write to the file what is kept in memory; True when nothing is left there."""
        if not self._memory:
            return True
        if self._file is None:
            self._open()
        rows = [(*_row(event), int(event.seq <= self._memory_received)) for event in self._memory]
        if self._file is None or self._try(lambda file: file.executemany(_INSERT, rows)) is not None:
            return False
        self._memory = []
        return True

    def receive(self, streams: Mapping[str, int]) -> int:
        """A receipt: what the controller has committed is pending no more; gives how many events."""
        before = self.pending()
        if self._memory and (seq := streams.get(self._memory[0].stream, 0)) <= self._memory[-1].seq:
            self._memory_received = max(self._memory_received, seq)
        covered = list(streams.items())
        if streams.get(self._stream, 0) > self._last:
            self.receipts_refused += 1
            log.warning("receipt beyond what was ever sent", extra={"last": self._last})
            covered = [(stream, seq) for stream, seq in covered if stream != self._stream]
        update = "UPDATE event SET received = 1 WHERE stream = ? AND seq <= ? AND received = 0"
        self._try(lambda file: file.executemany(update, covered))
        return before - self.pending()

    def pending(self) -> int:
        """How many events wait for a receipt."""
        in_memory = sum(event.seq > self._memory_received for event in self._memory)
        row = self._one("SELECT count(*) FROM event WHERE received = 0")
        return in_memory + (row[0] if row else 0)

    def waiting(self, after: Event | None, limit: int) -> list[Event]:
        """The oldest events without a receipt, those after `after` only, at most `limit`."""
        start = 0
        if after is not None:
            row = self._one("SELECT n FROM event WHERE stream = ? AND seq = ?", (after.stream, after.seq))
            if row is not None:
                start = row[0]
            elif self._memory and after.stream == self._memory[0].stream:
                return [e for e in self._memory if e.seq > max(after.seq, self._memory_received)][:limit]
        found: list[Event] = []
        query = f"SELECT {_COLUMNS} FROM event WHERE received = 0 AND n > ? ORDER BY n LIMIT ?"
        self._try(
            lambda file: found.extend(_from_row(self._unit, r) for r in file.execute(query, (start, limit)))
        )
        return (found + [e for e in self._memory if e.seq > self._memory_received])[:limit]

    def unfinished_visit(self) -> tuple[str, bool] | None:
        """The meeting that was joined and not left yet, and whether `dropped` was not said since."""
        marks = ", ".join("?" * len(_VISIT_KINDS))
        row = self._one(
            f"SELECT meeting, kind FROM event WHERE kind IN ({marks}) ORDER BY n DESC LIMIT 1", _VISIT_KINDS
        )
        if row is None or row[0] is None or row[1] == EventKind.LEFT:
            return None
        return row[0], row[1] != EventKind.DROPPED

    def declined(self) -> list[str]:
        """The meetings to which this hall said no, the last 20."""
        found: list[str] = []
        query = "SELECT meeting FROM event WHERE kind = ? AND meeting IS NOT NULL ORDER BY n DESC LIMIT 20"
        kind = EventKind.DECLINED
        self._try(lambda file: found.extend(row[0] for row in file.execute(query, (kind,))))
        return found

    def local_controls(self) -> list[tuple[str, EventKind, bool]]:
        """What this hall muted and stopped: meeting, kind, whether it was on; the last 40, oldest first."""
        found: list[tuple[str, str, int]] = []
        query = (
            "SELECT meeting, kind, json_extract(data, '$.on') FROM event "
            "WHERE kind IN (?, ?) AND meeting IS NOT NULL ORDER BY n DESC LIMIT 40"
        )
        kinds = (EventKind.LOCAL_MUTE, EventKind.LOCAL_STOP)
        self._try(lambda file: found.extend(file.execute(query, kinds)))
        return [(meeting, EventKind(kind), on == 1) for meeting, kind, on in reversed(found)]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _insert(self, event: Event) -> str | None:
        return self._try(lambda file: file.execute(_INSERT, (*_row(event), 0)))

    # ── the file ─────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> None:
        for _ in range(2):
            try:
                self._file = _connect(self._path)
                self._stream, self._last = _own_stream(self._file, self._unit)
                return
            except sqlite3.Error as error:
                self.close()
                if not _is_corrupt(error):
                    log.error("outbox cannot be opened", extra={"error": str(error)})
                    return
                self._set_aside(error)

    def _try(self, work: Callable[[sqlite3.Connection], object]) -> str | None:
        """Do `work` in one transaction; None when it was committed, otherwise why not."""
        if self._file is None:
            return "no outbox file"
        try:
            with self._file:
                work(self._file)
            return None
        except sqlite3.Error as error:
            if _is_corrupt(error):
                self.close()
                self._set_aside(error)
                self._open()
            return str(error)

    def _one(self, query: str, values: Iterable[Any] = ()) -> tuple[Any, ...] | None:
        found: list[tuple[Any, ...]] = []
        self._try(lambda file: found.extend(file.execute(query, tuple(values))))
        return found[0] if found else None

    def _set_aside(self, error: sqlite3.Error) -> None:
        log.error("outbox is corrupt and set aside; a new stream begins", extra={"error": str(error)})
        for suffix in ("", "-wal", "-shm"):
            path = self._path.with_name(self._path.name + suffix)
            if path.exists():
                path.replace(self._path.with_name(f"{self._path.name}.corrupt{suffix}"))

    def _prune(self) -> None:
        self._written += 1
        if self._written % _PRUNE_EVERY == 0:
            self._try(
                lambda file: file.execute(
                    "DELETE FROM event WHERE received = 1 AND n <= (SELECT max(n) FROM event) - ?",
                    (self._kept,),
                )
            )

    def _event(
        self,
        stream: str,
        seq: int,
        kind: EventKind,
        at: datetime,
        site: str | None,
        meeting: str | None,
        data: Mapping[str, Any],
    ) -> Event:
        return Event(
            unit=self._unit,
            id=f"{self._unit}:{stream}:{seq}",
            boot_id=self._boot_id,
            stream=stream,
            seq=seq,
            at=at,
            kind=kind,
            site=site,
            meeting=meeting,
            data=dict(data),
        )


def history(path: Path) -> Iterator[Event]:
    """Every event in the outbox at `path`, oldest first, read beside the running unit.

    Raises FileNotFoundError or sqlite3.Error.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    file = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        units = dict(file.execute("SELECT id, unit FROM stream"))
        unit = next(iter(units.values()), "")
        for row in file.execute(f"SELECT {_COLUMNS} FROM event ORDER BY n"):
            yield _from_row(units.get(row[0], unit), row)
    finally:
        file.close()


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = sqlite3.connect(path, timeout=2)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        state = file.execute("PRAGMA quick_check(1)").fetchone()[0]
        if state != "ok":
            raise sqlite3.DatabaseError(f"malformed: {state}")
        file.executescript(_SCHEMA)
    except sqlite3.Error:
        file.close()
        raise
    return file


def _own_stream(file: sqlite3.Connection, unit: str) -> tuple[str, int]:
    row = file.execute("SELECT id FROM stream WHERE own = 1 AND unit = ?", (unit,)).fetchone()
    if row is None:
        row = (uuid.uuid4().hex[:12],)
        with file:
            file.execute("INSERT INTO stream VALUES (?, ?, 1)", (row[0], unit))
    last = file.execute("SELECT max(seq) FROM event WHERE stream = ?", row).fetchone()[0]
    return row[0], last or 0


def _is_corrupt(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or (
        type(error) is sqlite3.DatabaseError
    )


def _row(event: Event) -> tuple[Any, ...]:
    data = json.dumps(event.data, ensure_ascii=False)
    at = event.at.isoformat()
    return event.stream, event.seq, event.boot_id, at, event.kind.value, event.site, event.meeting, data


def _from_row(unit: str, row: tuple[Any, ...]) -> Event:
    stream, seq, boot_id, at, kind, site, meeting, data = row
    return Event(
        unit=unit,
        id=f"{unit}:{stream}:{seq}",
        boot_id=boot_id,
        stream=stream,
        seq=seq,
        at=datetime.fromisoformat(at),
        kind=EventKind(kind),
        site=site,
        meeting=meeting,
        data=json.loads(data),
    )
