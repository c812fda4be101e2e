"""Wheels into the store, each by its SHA-256: resumed where a line broke off, verified before it counts.

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

from diemcau_wire.release import TARGETS_PATH, Wheel, wheel_path

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


class Store:
    """The wheels in `folder`: `<sha256>/<file>`, and `<sha256>/part` while one comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._verified: set[str] = set()  # in this process: reading them takes its time

    def path(self, wheel: Wheel) -> Path:
        """Where a wheel is, or will be."""
        return self._folder / wheel.sha256 / wheel.file

    def part(self, wheel: Wheel) -> Path:
        """What has come of it so far."""
        return self._folder / wheel.sha256 / "part"

    def missing(self, wheels: Sequence[Wheel]) -> list[Wheel]:
        """Those that are not here whole."""
        return [wheel for wheel in wheels if not self._whole(wheel)]

    def bytes_left(self, wheels: Sequence[Wheel]) -> int:
        """How much of them has still to come."""
        return sum(wheel.size - min(wheel.size, _size(self.part(wheel))) for wheel in self.missing(wheels))

    def _whole(self, wheel: Wheel) -> bool:
        path = self.path(wheel)
        if _size(path) != wheel.size:
            return False
        if wheel.sha256 not in self._verified and _sha256(path) == wheel.sha256:
            self._verified.add(wheel.sha256)
        return wheel.sha256 in self._verified


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
    """Fetches wheels over one line. `tries` is how often in a row a request may give nothing."""

    def __init__(self, line: Line, store: Store, manner: Manner, *, tries: int = TRIES) -> None:
        self._line, self._store, self._manner, self._tries = line, store, manner, tries

    def fetch(self, wheel: Wheel) -> None:
        """Have `wheel` in the store, verified. Raises :class:`Trouble` and OSError."""
        part = self._store.part(wheel)
        part.parent.mkdir(parents=True, exist_ok=True)
        again = False
        while True:
            self._complete(wheel, part)
            if _sha256(part) == wheel.sha256:
                break
            part.unlink()
            if again:
                raise Trouble(Why.DAMAGED, f"{wheel.file} is not the one that was signed")
            again = True
            log.warning("damaged on the way", extra={"file": wheel.file})
        part.replace(self._store.path(wheel))
        sync_folder(part.parent)

    def _complete(self, wheel: Wheel, part: Path) -> None:
        """Fetch until so many bytes are there, whichever."""
        failed, pause_s = 0, FIRST_PAUSE_S
        while (have := _size(part)) < wheel.size:
            why = self._some(wheel, part)
            if _size(part) > have:
                failed, pause_s = 0, FIRST_PAUSE_S
                continue
            failed += 1
            if failed == self._tries:
                raise Trouble(Why.UNREACHABLE, f"{wheel.file}: {why}")
            self._manner.pause(pause_s * (0.5 + self._manner.chance()))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if _size(part) > wheel.size:
            os.truncate(part, wheel.size)

    def _some(self, wheel: Wheel, part: Path) -> str:
        """One request: as much as comes. Gives why it ended."""
        try:
            with self._line.open(TARGETS_PATH + wheel_path(wheel), _size(part)) as opened:
                if opened.whole is not None and opened.whole != wheel.size:
                    raise Trouble(Why.DAMAGED, f"{wheel.file} has {opened.whole} bytes, not {wheel.size}")
                return self._take(opened.start, wheel, part, opened.bites)
        except NotServed as error:
            if error.status in (404, 410):
                raise Trouble(Why.DAMAGED, f"the server has no {wheel.file}") from None
            if error.status == 416:  # more is here than there
                part.unlink(missing_ok=True)
            return str(error)
        except CUT as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            return str(error) or type(error).__name__

    def _take(self, start: int, wheel: Wheel, part: Path, bites: Iterator[bytes]) -> str:
        with part.open("r+b" if part.exists() else "w+b") as file:
            file.seek(start)
            file.truncate()
            unsynced, at = 0, start
            with contextlib.ExitStack() as finally_:
                finally_.callback(_sync, file)
                for bite in bites:
                    bite = bite[: wheel.size - at]
                    file.write(bite)
                    at, unsynced = at + len(bite), unsynced + len(bite)
                    self._manner.came(len(bite))
                    if unsynced >= SYNC_BYTES:
                        _sync(file)
                        unsynced = 0
                    self._slow_down(len(bite))
                    if at >= wheel.size:
                        break
        return "the connection ended"

    def _slow_down(self, count: int) -> None:
        rate_bps = self._manner.rate_bps()
        if rate_bps is not None:
            self._manner.pause(8 * count / rate_bps)


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
