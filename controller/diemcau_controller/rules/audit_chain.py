"""The list of changes as a chain: each row carries a hash over itself and the hash of the row before it.

hash = SHA-256(hash of the row before, 32 bytes ‖ canonical form of the row); before the first row stand 32
zero bytes. Whoever changes, removes, inserts or reorders rows breaks the chain there. Whoever computes every
later hash anew does not: that, and a tail cut off, shows against a :class:`Head` noted elsewhere (in a
backup, a log, on paper).
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

NOTHING_BEFORE = "0" * 64
TOLD_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as it is hashed. `at` is aware; `before` and `after` are JSON-ready."""

    number: int
    at: datetime
    who: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain, and its hash. `0` and zeros for an empty one; as text `number:hash`."""

    number: int = 0
    hash: str = NOTHING_BEFORE

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Raises ValueError for what is no head."""
        number, colon, digest = text.strip().partition(":")
        if not (
            colon and number.isdecimal() and len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        ):
            raise ValueError(f"{text[:80]!r} is not NUMBER:HASH, as `diemcau audit verify` prints it")
        return cls(int(number), digest)


@dataclass(frozen=True, slots=True)
class Fault:
    """Where the chain breaks.

    `what`: `changed` (or put in another place), `missing` (rows before it are gone), `inserted` (no place for
    it), `cut` (the list ends before a known head), `rewritten` (a known head differs).
    """

    number: int
    what: str


@dataclass
class Verdict:
    """What a look through the chain found; `faults` are the first :data:`TOLD_AT_MOST` of `broken`."""

    rows: int = 0
    head: Head = field(default_factory=Head)
    broken: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return self.broken == 0

    def add(self, number: int, what: str) -> None:
        self.broken += 1
        if len(self.faults) < TOLD_AT_MOST:
            self.faults.append(Fault(number, what))


def canonical(entry: Entry) -> bytes:
    """The row as bytes: JSON, sorted keys, no spaces, NFC, UTF-8, the time in UTC to the microsecond."""
    document = {
        "number": entry.number,
        "at": entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "who": entry.who,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
    }
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


def link(before: str, entry: Entry) -> str:
    """The hash of a row that follows the one with the hash `before`, 64 hex digits."""
    return hashlib.sha256(bytes.fromhex(before) + canonical(entry)).hexdigest()


def follow(rows: Iterable[tuple[Entry, str]], known: Iterable[Head] = ()) -> Verdict:
    """Look through a whole chain, rows in order of their numbers, against the heads that are `known`."""
    verdict = Verdict()
    for _ in steps(rows, verdict, known):
        pass
    return verdict


def steps(rows: Iterable[tuple[Entry, str]], verdict: Verdict, known: Iterable[Head] = ()) -> Iterator[None]:
    """The same, row by row, for whoever must not do it in one go; it is over when this is."""
    heads = {head.number: head.hash for head in known if head.number}
    for entry, said in rows:
        last = verdict.head
        if entry.number <= last.number or entry.number < 1:
            verdict.add(entry.number, "inserted")
            verdict.rows += 1
            yield
            continue
        if not _is_hash(said) or said != link(last.hash, entry):
            verdict.add(entry.number, "changed" if entry.number == last.number + 1 else "missing")
        if heads.pop(entry.number, said) != said:
            verdict.add(entry.number, "rewritten")
        verdict.rows += 1
        # What follows is judged by what this row says of itself: one fault is told once.
        verdict.head = Head(entry.number, said if _is_hash(said) else NOTHING_BEFORE)
        yield
    for number in sorted(heads):
        verdict.add(number, "cut" if number > verdict.head.number else "missing")


def _is_hash(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
