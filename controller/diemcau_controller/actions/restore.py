"""Bring a controller back from a backup, on a machine that has nothing but the backup and its key.

Everything is made in a folder beside the wanted one and renamed at the end: there is the whole state folder
or none. The restored controller is of the next generation: what the lost one said counts no more.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, update

from ..adapters.backup_file import BackupUnusable, Contents, read_backup
from ..adapters.whole_file import keep_names
from ..config import StateDir
from ..rules.actor import SYSTEM
from ..rules.audit_chain import Head, follow
from ..store.chain import chained_rows, verdict_line
from ..store.database import Database, known_revisions
from ..store.tables import Installation, LoginLink, Stream, Unit, WebSession
from .audit import record
from .backup import CONTROLLER, HEALTH, SETTINGS


class RestoreRefused(ValueError):
    """Nothing was restored and nothing was left behind; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored.

    `settings`: where the settings file lies now, None when there was none. `audit`: what was found of the
    list of changes, as a sentence; `audit_whole` is False when it does not hold together.
    """

    contents: Contents
    generation: int
    settings: Path | None
    audit: str
    audit_whole: bool


def restore(backup: Path, key: Path, folder: Path, now: datetime) -> Restored:
    """Restore a backup as the state folder `folder`, which must be empty or not there. Blocks.

    Raises :class:`RestoreRefused`, :class:`BackupUnusable` and :class:`..adapters.age.KeyUnusable`.
    """
    folder = folder.absolute()
    _need_free(folder)
    staging = folder.with_name(f".{folder.name}.restoring")
    try:
        shutil.rmtree(staging, ignore_errors=True)  # of a restore that was killed
        staging.mkdir(parents=True, mode=0o700)
        try:
            contents = read_backup(backup, key, staging)
            _need_known(contents)
            restored = _revived(staging, contents, now)
            _hand_over(staging, folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    except OSError as error:
        raise RestoreRefused(_os_sentence(error, folder)) from None
    settings = folder / "settings.toml"
    return Restored(
        contents,
        restored.generation,
        settings if settings.exists() else None,
        restored.audit,
        restored.audit_whole,
    )


def _need_free(folder: Path) -> None:
    try:
        there = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return
    except OSError as error:
        raise RestoreRefused(f"{folder} cannot be used as a folder: {error.strerror}") from None
    if CONTROLLER in there:
        raise RestoreRefused(
            f"{folder} holds a controller: end it and move that folder away, or name another with --state-dir"
        )
    if there:
        raise RestoreRefused(f"{folder} is not empty: empty it, or name another with --state-dir")


def _need_known(contents: Contents) -> None:
    """Refuse what a newer version made: its tables mean something we do not know."""
    revisions = contents.header.get("revisions")
    for name, lineage in ((CONTROLLER, "controller"), (HEALTH, "health")):
        if not isinstance(revisions, dict) or revisions.get(name) not in known_revisions(lineage):
            made_with = str(contents.header.get("product"))[:40]
            raise RestoreRefused(
                f"the backup was made with version {made_with}, which is newer than this one: "
                "install that version and restore with it"
            )


@dataclass(frozen=True, slots=True)
class _Revived:
    generation: int
    audit: str
    audit_whole: bool


def _revived(staging: Path, contents: Contents, now: datetime) -> _Revived:
    """Bring the databases to this version and note that this is a new life of the controller."""
    state = StateDir(staging)
    if not (state.database.exists() and state.health_database.exists()):
        raise BackupUnusable("the backup has no database in it: take another")
    try:
        known = [Head.parse(str(contents.header.get("audit_head")))]
    except ValueError:
        known = []
    verdict = follow(chained_rows(state.database), known)
    state.make()
    if (staging / SETTINGS).exists():
        (staging / SETTINGS).rename(staging / "settings.toml")
    with (
        contextlib.closing(Database(state.database, state.health_database)) as database,
        database.session() as session,
    ):
        installation = session.get_one(Installation, 1)
        former = installation.generation
        installation.generation = former + 1
        installation.restored_at = now
        # Whoever was logged in logs in again; a link that was used since would work once more.
        session.execute(delete(WebSession))
        session.execute(delete(LoginLink))
        session.execute(update(Stream).values(restored=True))
        # Nothing was heard of them by this broker; each says where it is when it connects.
        session.execute(update(Unit).where(Unit.status == "online").values(status="silent"))
        record(
            session,
            SYSTEM,
            now,
            "installation.restore",
            f"installation:{installation.name}",
            before={"generation": former},
            after={"generation": former + 1, "backup_at": str(contents.header.get("made_at"))},
        )
        session.commit()
        generation = installation.generation
    for name in (CONTROLLER, HEALTH):
        for suffix in ("-wal", "-shm"):
            (staging / f"{name}{suffix}").unlink(missing_ok=True)  # empty: every connection is closed
    return _Revived(generation, verdict_line(verdict), verdict.whole)


def _hand_over(staging: Path, folder: Path) -> None:
    """Put the finished folder in its place, for whoever owned the empty one."""
    if folder.exists():
        owner = folder.stat()
        staging.chmod(owner.st_mode & 0o777)
        if os.geteuid() == 0:
            for path in (staging, *staging.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    for path in staging.rglob("*"):
        if path.is_dir():
            keep_names(path)
    keep_names(staging)
    staging.rename(folder)  # takes the place of an empty folder in one step
    keep_names(folder.parent)


def _os_sentence(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"there is no room for the backup beside {folder}: make room and restore again"
    if error.errno in (errno.EBUSY, errno.EXDEV):
        return f"{folder} is where a disk is mounted: name a folder in it with --state-dir"
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        return f"somebody put something into {folder} meanwhile: empty it and restore again"
    return f"{error.filename or folder} cannot be written: {error.strerror}"
