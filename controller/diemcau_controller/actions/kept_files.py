"""Files that people send, in the state folder under their SHA-256: one sent twice lies there once."""

from __future__ import annotations

import codecs
import hashlib
import os
import tempfile
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO

from ..rules.refusals import Invalid

_CHUNK = 256 * 1024
_MAGIC: tuple[tuple[bytes, int, str, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png", ".png"),
    (b"\xff\xd8\xff", 0, "image/jpeg", ".jpg"),
    (b"WEBP", 8, "image/webp", ".webp"),
    (b"%PDF-", 0, "application/pdf", ".pdf"),
)

WhatItIs = Callable[[str, bytes, IO[bytes]], tuple[str, str]]
"""From name, first bytes and the whole file: media type and ending. Raises for a kind that is not kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that lies in the state folder. `name` is how it is called when it is taken out again."""

    name: str
    media_type: str
    size: int
    sha256: str


def keep(folder: Path, name: str, source: IO[bytes], *, most_bytes: int, what_it_is: WhatItIs) -> Kept:
    """Store a file on the disk. Blocks. Raises :class:`Invalid` for one too large or of a kind not known."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-") as fresh:
        digest, size, head = hashlib.sha256(), 0, b""
        while chunk := source.read(_CHUNK):
            head = head or chunk[:_CHUNK]
            size += len(chunk)
            if size > most_bytes:
                raise Invalid(
                    f"the file is larger than {most_bytes // 2**20} MB: send a smaller one",
                    code="file_too_large",
                    field="file",
                    most=most_bytes // 2**20,
                )
            digest.update(chunk)
            fresh.write(chunk)
        if size == 0:
            raise Invalid("the file is empty: choose another", code="file_empty", field="file")
        fresh.flush()
        media_type, suffix = what_it_is(name, head, fresh.file)
        os.fsync(fresh.fileno())
        place = folder / digest.hexdigest()
        with suppress(FileExistsError):  # the same file was sent before
            os.link(fresh.name, place)
    return Kept(_readable(name, suffix), media_type, size, digest.hexdigest())


def by_magic(head: bytes) -> tuple[str, str] | None:
    """Pictures and PDF, by their first bytes."""
    for magic, place, media_type, suffix in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return media_type, suffix
    return None


def as_text(name: str, head: bytes, suffixes: tuple[str, ...]) -> tuple[str, str] | None:
    """A UTF-8 text with one of these endings."""
    suffix = PurePath(name).suffix.lower()
    if suffix in suffixes and b"\x00" not in head and _is_utf8(head):
        return "text/plain", suffix
    return None


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut in two
    except UnicodeDecodeError:
        return False
    return True


def _readable(name: str, suffix: str) -> str:
    """A file name without folders and control characters, of at most 100 letters, with the right ending."""
    stem = PurePath(unicodedata.normalize("NFC", name).replace("\\", "/")).stem
    stem = "".join(letter for letter in stem if unicodedata.category(letter)[0] != "C").strip(". ")
    return (stem[: 100 - len(suffix)] or "file") + suffix
