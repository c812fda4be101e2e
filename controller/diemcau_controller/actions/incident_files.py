"""Files kept as evidence of incidents: pictures, films, documents, texts; the bytes say which it is."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from ..rules.refusals import Invalid, NotFound
from ..store.tables import IncidentEntry
from .controller import Controller
from .kept_files import Kept, as_text, by_magic, keep

MAX_BYTES = 10 * 1024 * 1024
_MP4_BRANDS = frozenset((b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V "))
_TEXT_SUFFIXES = (".txt", ".log", ".csv")
_ALLOWED = "send a PNG, JPEG or WebP picture, a PDF, an MP4 film or a UTF-8 text (.txt, .log, .csv)"


def keep_file(controller: Controller, name: str, source: IO[bytes]) -> Kept:
    """Store a file on the disk. Blocks. Raises :class:`Invalid` for one too large or of a kind not known."""
    return keep(
        controller.state.incidents,
        name,
        source,
        most_bytes=MAX_BYTES,
        what_it_is=_what_it_is,
    )


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
        raise NotFound("this entry has no file: choose one that has", code="files.unknown")
    return path


def _what_it_is(name: str, head: bytes, whole: IO[bytes]) -> tuple[str, str]:
    if head[4:8] == b"ftyp" and head[8:12] in _MP4_BRANDS:
        return "video/mp4", ".mp4"
    kind = by_magic(head) or as_text(name, head, _TEXT_SUFFIXES)
    if kind is None:
        raise Invalid(f"this kind of file is not kept: {_ALLOWED}", code="file_kind", field="file")
    return kind
