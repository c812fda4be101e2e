"""A backup is one file: tar, compressed, encrypted with age. Written and read as a stream, in bounded memory.

In it: `header.json` first (what it is of), then `data/PATH` for each file, then `manifest.json` with size and
SHA-256 of each: a file that was cut off has none. It is written beside its place and renamed when whole.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .age import DecryptFailed, Readable, decrypt, encrypt
from .whole_file import keep_names

FORMAT = 1
HEADER, MANIFEST, DATA = "header.json", "manifest.json", "data/"
_MOST_JSON_BYTES = 64 * 2**20
_CHUNK = 256 * 1024
_LEVEL = 5

Json = dict[str, Any]


class BackupUnusable(ValueError):
    """A backup that cannot be read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds: its header, how many files, how many bytes they have."""

    header: Json
    files: int
    size: int


def write_backup(
    target: Path, header: Json, members: Iterable[tuple[str, Path]], recipients: list[str]
) -> Contents:
    """Write the files (name in the backup, where it lies now) as a backup at `target`.

    A file that vanished meanwhile is left out. Raises OSError; then there is no new file.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as file:
            part.chmod(0o600)
            contents = _encrypted(file, header, members, recipients)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    keep_names(target.parent)
    return contents


def read_backup(source: Path, key: Path, into: Path | None = None) -> Contents:
    """Read a whole backup and check every file against the manifest; with `into`, write the files there.

    Raises :class:`BackupUnusable`, :class:`..age.KeyUnusable`, and OSError when `into` takes no more.
    """
    try:
        file = source.open("rb")
    except OSError as error:
        raise BackupUnusable(f"the backup {source} cannot be read: {error.strerror}") from None
    with file:
        return _decrypted(file, source, key, into)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def _encrypted(
    file: IO[bytes], header: Json, members: Iterable[tuple[str, Path]], recipients: list[str]
) -> Contents:
    """The archive is made in a thread of its own and encrypted here, with a pipe between them."""
    reading, writing = os.pipe()
    made: list[Contents] = []
    failed: list[BaseException] = []

    def archive() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe:
                made.append(_archive(pipe, header, members))
        except BaseException as error:  # noqa: BLE001 - told below, in the thread of whoever asked
            failed.append(error)

    thread = threading.Thread(target=archive, name="backup archive")
    with os.fdopen(reading, "rb") as pipe:
        thread.start()
        try:
            encrypt(pipe, file, recipients)
        finally:
            pipe.close()  # else the other end waits for ever
            thread.join()
    if failed:
        raise failed[0]
    return made[0]


def _archive(pipe: IO[bytes], header: Json, members: Iterable[tuple[str, Path]]) -> Contents:
    listed: list[Json] = []
    with (
        gzip.GzipFile(fileobj=pipe, mode="wb", compresslevel=_LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        _add(tar, HEADER, _json({"format": FORMAT, **header}))
        for name, path in members:
            with suppress(FileNotFoundError), path.open("rb") as file:
                status = os.fstat(file.fileno())
                hashed = _Hashed(file)
                tar.addfile(_info(DATA + name, status.st_size, status.st_mode & 0o777), hashed)
                listed.append({"path": name, "size": status.st_size, "sha256": hashed.hexdigest()})
        _add(tar, MANIFEST, _json({"files": listed}))
    return Contents(header, len(listed), sum(one["size"] for one in listed))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_info(name, len(data), 0o600), io.BytesIO(data))


def _info(name: str, size: int, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    return info


def _json(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


class _Hashed(io.RawIOBase):
    """A file whose SHA-256 is known once it was read."""

    def __init__(self, file: Readable) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def _decrypted(file: IO[bytes], source: Path, key: Path, into: Path | None) -> Contents:
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def open_up() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe:
                decrypt(file, pipe, key)
        except BrokenPipeError:
            pass  # the reader has seen enough, and says why
        except BaseException as error:  # noqa: BLE001 - told below, in the thread of whoever asked
            failed.append(error)

    thread = threading.Thread(target=open_up, name="backup decryption")
    problem: str | None = None
    contents: Contents | None = None
    with os.fdopen(reading, "rb") as pipe:
        thread.start()
        try:
            contents = _unpack(pipe, into)
            while pipe.read(_CHUNK):
                pass  # padding; to its end, because only the end says that nothing is missing
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, _Wrong) as error:
            problem = str(error)
        finally:
            pipe.close()
            thread.join()
    if failed:
        raise _why(failed[0], source)
    if contents is None:
        raise BackupUnusable(f"{source} is no backup of Điểm Cầu, or a damaged one ({problem}): take another")
    return contents


def _why(error: BaseException, source: Path) -> BaseException:
    if not isinstance(error, DecryptFailed):
        return error
    if error.wrong_key:
        return BackupUnusable(
            f"{source} was made for another key: take the key whose public half it was made for"
        )
    return BackupUnusable(
        f"{source} is damaged, cut off or no backup: copy it once more from where it was made, "
        "or take another"
    )


class _Wrong(ValueError):
    """The archive is not what we write."""


def _unpack(pipe: IO[bytes], into: Path | None) -> Contents:
    header: Json | None = None
    found: list[Json] = []
    with (
        gzip.GzipFile(fileobj=pipe, mode="rb") as packed,
        tarfile.open(fileobj=packed, mode="r|") as tar,
    ):
        for info in tar:
            file = tar.extractfile(info) if info.isreg() else None
            if file is None:
                raise _Wrong(f"it holds {info.name[:100]!r}, which is no file")
            if header is None:
                header = _read_json(info, file, HEADER)
                if header.get("format") != FORMAT:
                    raise BackupUnusable(
                        f"the backup has the form {str(header.get('format'))[:20]}, which this version "
                        "does not know: install the version it was made with, or a newer one"
                    )
            elif info.name == MANIFEST:
                _compare(found, _read_json(info, file, MANIFEST))
                return Contents(header, len(found), sum(one["size"] for one in found))
            else:
                found.append(_take(info, file, into))
    raise _Wrong("it ends before its manifest")


def _take(info: tarfile.TarInfo, file: IO[bytes], into: Path | None) -> Json:
    name = info.name.removeprefix(DATA)
    path = PurePosixPath(name)
    if name == info.name or path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name:
        raise _Wrong(f"it holds {info.name[:100]!r}, which leads elsewhere")
    hashed = _Hashed(file)
    if into is None:
        while hashed.read(_CHUNK):
            pass
    else:
        place = into / path
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, info.mode & 0o777)
        with os.fdopen(descriptor, "wb") as fresh:
            while data := hashed.read(_CHUNK):
                fresh.write(data)
            fresh.flush()
            os.fsync(fresh.fileno())
    return {"path": name, "size": info.size, "sha256": hashed.hexdigest()}


def _read_json(info: tarfile.TarInfo, file: IO[bytes], wanted: str) -> Json:
    if info.name != wanted or info.size > _MOST_JSON_BYTES:
        raise _Wrong(f"it begins with {info.name[:100]!r}")
    try:
        document = json.loads(file.read())
    except (ValueError, RecursionError):
        raise _Wrong(f"its {wanted} is no JSON") from None
    if not isinstance(document, dict):
        raise _Wrong(f"its {wanted} is not what we write")
    return document


def _compare(found: list[Json], manifest: Json) -> None:
    if manifest.get("files") == found:
        return
    listed = {str(one.get("path")) for one in manifest.get("files") or () if isinstance(one, dict)}
    differing = sorted(listed ^ {one["path"] for one in found}) or ["a file"]
    raise _Wrong(f"{differing[0][:100]} is not as its manifest says")
