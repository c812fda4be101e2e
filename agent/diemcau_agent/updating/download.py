"""Wheels into the store, and whole systems into theirs, each by its SHA-256: resumed where a line broke off,
verified before it counts.

A wheel that is there is never fetched again, whichever release it came with: from one release to the next
only what changed travels.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from diemcau_wire.release import TARGETS_PATH, System, Wheel, system_path, wheel_path

from diemcau_agent.rules.updating import Why
from diemcau_agent.unit.state_folder import sync_folder

from .line import CUT, Line, NotServed
from .trouble import Trouble

log = logging.getLogger(__name__)

TRIES = 6  # in a row without a single byte; the updater comes back a minute later
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
SYNC_BYTES = 128 * 1024  # at most so much comes again after a power cut
ROOM_BYTES = 64 * 1024 * 1024
UNPACKED = 4  # times the size of its wheels, a release takes when it is installed


Piece = Wheel | System
"""What is fetched whole and compared with its SHA-256."""


class Store:
    """The pieces in `folder`: `<sha256>/<file>`, and `<sha256>/part` while one comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._verified: set[str] = set()  # in this process: reading them takes its time

    def path(self, piece: Piece) -> Path:
        """Where a piece is, or will be."""
        return self._folder / piece.sha256 / piece.file

    def part(self, piece: Piece) -> Path:
        """What has come of it so far."""
        return self._folder / piece.sha256 / "part"

    def missing(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Those that are not here whole."""
        return [piece for piece in pieces if not self._whole(piece)]

    def bytes_left(self, pieces: Sequence[Piece]) -> int:
        """How much of them has still to come."""
        return sum(piece.size - min(piece.size, _size(self.part(piece))) for piece in self.missing(pieces))

    def _whole(self, piece: Piece) -> bool:
        path = self.path(piece)
        if _size(path) != piece.size:
            return False
        with contextlib.suppress(PermissionError):  # RAUC makes a bundle its own before it looks into it
            if piece.sha256 not in self._verified and _sha256(path) == piece.sha256:
                self._verified.add(piece.sha256)
        return piece.sha256 in self._verified

    def clear(self, but: Sequence[Piece] = ()) -> None:
        """Remove everything but these pieces and what has come of them. Raises OSError."""
        keep = {piece.sha256 for piece in but}
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name not in keep:
                shutil.rmtree(path)


def check_room(folders: Sequence[Path], left: int, wheels: Sequence[Wheel]) -> None:
    """Is there room for `left` bytes, and to install these wheels? Raises :class:`Trouble`."""
    needed = left + UNPACKED * sum(wheel.size for wheel in wheels) + ROOM_BYTES
    free = min(shutil.disk_usage(_existing(folder)).free for folder in folders)
    if free < needed:
        raise Trouble(
            Why.DISK_FULL, f"{needed // 2**20} MiB are needed for this release, {free // 2**20} MiB are free"
        )


@dataclass(frozen=True)
class Manner:
    """`pause` waits so many seconds, `chance` gives numbers in [0, 1), `rate_bps` says how fast it may be now
    (None: as fast as it goes), `came` is told of bytes that came."""

    pause: Callable[[float], None]
    chance: Callable[[], float]
    rate_bps: Callable[[], float | None]
    came: Callable[[int], None]


class Download:
    """Fetches pieces over one line. `tries` is how often in a row a request may give nothing."""

    def __init__(self, line: Line, store: Store, manner: Manner, *, tries: int = TRIES) -> None:
        self._line, self._store, self._manner, self._tries = line, store, manner, tries

    def fetch(self, piece: Piece) -> None:
        """Have `piece` in the store, verified. Raises :class:`Trouble` and OSError."""
        part = self._store.part(piece)
        part.parent.mkdir(parents=True, exist_ok=True)
        again = False
        while True:
            self._complete(piece, part)
            if _sha256(part) == piece.sha256:
                break
            part.unlink()
            if again:
                raise Trouble(Why.DAMAGED, f"{piece.file} is not the one that was signed")
            again = True
            log.warning("damaged on the way", extra={"file": piece.file})
        part.replace(self._store.path(piece))
        sync_folder(part.parent)

    def _complete(self, piece: Piece, part: Path) -> None:
        """Fetch until so many bytes are there, whichever."""
        failed, pause_s = 0, FIRST_PAUSE_S
        while (have := _size(part)) < piece.size:
            why = self._some(piece, part)
            if _size(part) > have:
                failed, pause_s = 0, FIRST_PAUSE_S
                continue
            failed += 1
            if failed == self._tries:
                raise Trouble(Why.UNREACHABLE, f"{piece.file}: {why}")
            self._manner.pause(pause_s * (0.5 + self._manner.chance()))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if _size(part) > piece.size:
            os.truncate(part, piece.size)

    def _some(self, piece: Piece, part: Path) -> str:
        """One request: as much as comes. Gives why it ended."""
        try:
            with self._line.open(TARGETS_PATH + _served_at(piece), _size(part)) as opened:
                if opened.whole is not None and opened.whole != piece.size:
                    raise Trouble(Why.DAMAGED, f"{piece.file} has {opened.whole} bytes, not {piece.size}")
                return self._take(opened.start, piece, part, opened.bites)
        except NotServed as error:
            if error.status in (404, 410):
                raise Trouble(Why.DAMAGED, f"the server has no {piece.file}") from None
            if error.status == 416:  # more is here than there
                part.unlink(missing_ok=True)
            return str(error)
        except CUT as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            return str(error) or type(error).__name__

    def _take(self, start: int, piece: Piece, part: Path, bites: Iterator[bytes]) -> str:
        with part.open("r+b" if part.exists() else "w+b") as file:
            file.seek(start)
            file.truncate()
            unsynced, at = 0, start
            with contextlib.ExitStack() as finally_:
                finally_.callback(_sync, file)
                for bite in bites:
                    bite = bite[: piece.size - at]
                    file.write(bite)
                    at, unsynced = at + len(bite), unsynced + len(bite)
                    self._manner.came(len(bite))
                    if unsynced >= SYNC_BYTES:
                        _sync(file)
                        unsynced = 0
                    self._slow_down(len(bite))
                    if at >= piece.size:
                        break
        return "the connection ended"

    def _slow_down(self, count: int) -> None:
        rate_bps = self._manner.rate_bps()
        if rate_bps is not None:
            self._manner.pause(8 * count / rate_bps)


def _served_at(piece: Piece) -> str:
    return wheel_path(piece) if isinstance(piece, Wheel) else system_path(piece)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())
