"""Files kept as evidence of incidents: pictures, films, documents, texts; the bytes say which it is.

A file lies in the state folder under its SHA-256, so the same one sent twice is stored once.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import tempfile
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from ..rules.refusals import Invalid, NotFound
from ..store.tables import IncidentEntry
from .controller import Controller

MAX_BYTES = 10 * 1024 * 1024
_CHUNK = 256 * 1024
_MAGIC: tuple[tuple[bytes, int, str, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png", ".png"),
    (b"\xff\xd8\xff", 0, "image/jpeg", ".jpg"),
    (b"WEBP", 8, "image/webp", ".webp"),
    (b"%PDF-", 0, "application/pdf", ".pdf"),
)
_MP4_BRANDS = frozenset((b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V "))
_TEXT_SUFFIXES = (".txt", ".log", ".csv")
_ALLOWED = "send a PNG, JPEG or WebP picture, a PDF, an MP4 film or a UTF-8 text (.txt, .log, .csv)"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that lies in the state folder. `name` is how it is called when it is taken out again."""

    name: str
    media_type: str
    size: int
    sha256: str


def keep_file(controller: Controller, name: str, source: BinaryIO) -> Kept:
    """Store a file on the disk. Blocks. Raises :class:`Invalid` for one too large or of a kind not known."""
    folder = controller.state.incidents
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-") as fresh:
        digest, size, head = hashlib.sha256(), 0, b""
        while chunk := source.read(_CHUNK):
            head = head or chunk[:_CHUNK]
            size += len(chunk)
            if size > MAX_BYTES:
                raise Invalid(
                    f"the file is larger than {MAX_BYTES // 2**20} MB: send a smaller one",
                    code="file_too_large",
                    field="file",
                    most=MAX_BYTES // 2**20,
                )
            digest.update(chunk)
            fresh.write(chunk)
        if size == 0:
            raise Invalid("the file is empty: choose another", code="file_empty", field="file")
        media_type, suffix = _what_it_is(name, head)
        fresh.flush()
        os.fsync(fresh.fileno())
        place = folder / digest.hexdigest()
        with suppress(FileExistsError):  # the same file was sent before
            os.link(fresh.name, place)
    return Kept(_readable(name, suffix), media_type, size, digest.hexdigest())


def keep_picture(controller: Controller, picture: Path, name: str) -> Kept | None:
    """Keep a hall's newest screen picture as it is now; None when there is none."""
    try:
        with picture.open("rb") as file:
            return keep_file(controller, name, file)
    except (FileNotFoundError, Invalid):
        return None


def file_path(controller: Controller, entry: IncidentEntry) -> Path:
    """Where the bytes of an entry's file lie. Raises :class:`NotFound` for an entry without one."""
    path = controller.state.incidents / (entry.sha256 or "none")
    if entry.sha256 is None or not path.is_file():
        raise NotFound("this entry has no file: choose one that has", code="file_unknown")
    return path


def _what_it_is(name: str, head: bytes) -> tuple[str, str]:
    for magic, place, media_type, suffix in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return media_type, suffix
    if head[4:8] == b"ftyp" and head[8:12] in _MP4_BRANDS:
        return "video/mp4", ".mp4"
    suffix = PurePath(name).suffix.lower()
    if suffix in _TEXT_SUFFIXES and b"\x00" not in head and _is_utf8(head):
        return "text/plain", suffix
    raise Invalid(f"this kind of file is not kept: {_ALLOWED}", code="file_kind", field="file")


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
