"""Make a backup of the state folder while the controller runs, and keep as many as were asked for.

Both databases are copied by SQLite in one read transaction each, so the controller goes on writing meanwhile;
files people sent lie under their SHA-256 and never change. The copies lie unencrypted in the state folder,
where the databases do, until they are packed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib.metadata
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..adapters.backup_file import Contents, write_backup
from ..adapters.whole_file import write_secret
from ..config import ConfigError, StateDir, load
from ..rules.backups import file_name, made_at, surplus

SETTINGS = "generated/settings.toml"
CONTROLLER, HEALTH = "controller.sqlite", "health.sqlite"
ROOT_KEYS = "ca/offline"
# Written anew at each start, from what is in the backup.
_REBUILT = frozenset({"mosquitto", "janus", "nginx", "tunnel", "controller.json"})

log = logging.getLogger(__name__)


class BackupFailed(RuntimeError):
    """No backup was made, and those there are still are; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class BackupMade:
    """Where it lies, what is in it, how large the file is (bytes), how long it took."""

    path: Path
    contents: Contents
    size: int
    took_s: float


@dataclass(frozen=True, slots=True)
class BackupThere:
    """A backup in the folder: when it was made, and its size in bytes."""

    path: Path
    made_at: datetime
    size: int


def keep_settings(path: Path | None, state: StateDir) -> None:
    """Keep the settings file in the state folder, so that a backup has it. It may hold passwords.

    A disk that does not take it holds nobody up.
    """
    kept = state.kept_settings
    try:
        if path is None:
            kept.unlink(missing_ok=True)
            return
        settings = path.read_bytes()
        if not kept.exists() or kept.read_bytes() != settings:
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_secret(kept, settings)
    except OSError as error:
        log.warning("the settings are not kept for a backup", extra={"error": str(error)})


def make_backup(
    state: StateDir, folder: Path, recipients: list[str], now: datetime, *, keep: int | None = None
) -> BackupMade:
    """Make a backup in `folder` and remove those older than the newest `keep`. Blocks.

    Raises :class:`BackupFailed`; the earlier ones stay.
    """
    if not recipients:
        raise BackupFailed(
            "a backup is always encrypted: set backup.recipients to the public half of a key, which "
            "`diemcau backup key FILE` prints"
        )
    if not state.database.exists():
        raise BackupFailed(f"there is no controller in {state.root}: name its folder with --state-dir")
    began = time.monotonic()
    try:
        with _alone(state) as staging:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in folder.glob(".diemcau-*.part"):  # of one that was killed
                left.unlink(missing_ok=True)
            target = folder / file_name(now)
            copies = {name: staging / name for name in (CONTROLLER, HEALTH)}
            _copy(state.database, copies[CONTROLLER])
            _copy(state.health_database, copies[HEALTH])
            header = _header(copies, state, now)
            members = [*copies.items(), *_files(state)]
            contents = write_backup(target, header, members, recipients)
        for name in surplus((path.name for path in folder.iterdir()), keep) if keep else ():
            (folder / name).unlink(missing_ok=True)
        size = target.stat().st_size
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise BackupFailed(
                f"there is no room for a backup ({error.filename or folder}): make room or set another "
                "backup.folder; the earlier ones are still there"
            ) from None
        raise BackupFailed(f"{error.filename or folder} cannot be used: {error.strerror}") from None
    except sqlite3.Error as error:
        raise BackupFailed(
            f"the database cannot be copied ({error}): if it is damaged, restore the last backup"
        ) from None
    made = BackupMade(target, contents, size, time.monotonic() - began)
    log.info(
        "backup made",
        extra={"path": str(target), "bytes": size, "files": contents.files, "head": header["audit_head"]},
    )
    return made


def backups_in(folder: Path) -> list[BackupThere]:
    """The backups in a folder, the newest first; none when there is no such folder."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            moment = made_at(path.name)
            if moment is not None:
                found.append(BackupThere(path, moment, path.stat().st_size))
    return sorted(found, key=lambda one: one.made_at, reverse=True)


@contextlib.contextmanager
def _alone(state: StateDir) -> Iterator[Path]:
    """A private folder for copies, for one backup at a time; what a killed one left in it is removed."""
    state.run.mkdir(exist_ok=True)
    staging = state.run / "backup"
    with (state.run / "backup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupFailed("a backup is being made right now: wait until it is done") from None
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """In one step: copied page by page, a copy begins anew with every commit of the controller."""
    with (
        contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as there,
        contextlib.closing(sqlite3.connect(target)) as here,
    ):
        there.backup(here)
        here.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        (answer,) = here.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(f"{source.name}: {answer}")


def _header(copies: dict[str, Path], state: StateDir, now: datetime) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(copies[CONTROLLER])) as file:
        name, generation = file.execute("SELECT name, generation FROM installation").fetchone()
        head = file.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
        revision = _revision(file)
    with contextlib.closing(sqlite3.connect(copies[HEALTH])) as file:
        revisions = {CONTROLLER: revision, HEALTH: _revision(file)}
    offline = state.generated / ROOT_KEYS
    return {
        "product": importlib.metadata.version("diemcau-controller"),
        "made_at": now.astimezone(UTC).isoformat(),
        "installation": name,
        "generation": generation,
        "revisions": revisions,
        "audit_head": f"{head[0]}:{head[1]}" if head else f"0:{'0' * 64}",
        "root_keys": offline.is_dir() and any(offline.iterdir()),
    }


def _revision(file: sqlite3.Connection) -> str:
    return str(file.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def _files(state: StateDir) -> Iterator[tuple[str, Path]]:
    """Authority, secrets and settings with the file they name; then what people sent and what was written for
    them."""
    named = _openid_secret(state)
    for entry in sorted(state.generated.iterdir()):
        if entry.name not in _REBUILT and not (named and entry == state.kept_openid_secret):
            yield from _below(entry, state.root)
    if named is not None:
        yield state.kept_openid_secret.relative_to(state.root).as_posix(), named
    signatures = state.releases / "metadata"  # what they are about is built again
    for folder in (state.reports, state.incidents, state.attachments, signatures):
        yield from _below(folder, state.root)


def _openid_secret(state: StateDir) -> Path | None:
    """The file that the settings name; None for none that can be read: a backup is made all the same."""
    try:
        path = load(state.kept_settings).openid.client_secret_file if state.kept_settings.exists() else None
    except ConfigError as error:
        log.warning("the settings kept for a backup cannot be read", extra={"error": str(error)})
        return None
    if path is None or (os.access(path, os.R_OK) and path.is_file()):
        return path
    log.warning("a file that the settings name is not in the backup", extra={"path": str(path)})
    return None


def _below(path: Path, root: Path) -> Iterator[tuple[str, Path]]:
    if path.is_symlink() or path.name.startswith("."):  # locks, and files in the making
        return
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            yield from _below(entry, root)
    elif path.is_file():
        yield path.relative_to(root).as_posix(), path
