"""Which life of the controller this unit has heard: what an earlier one said counts no more."""

from __future__ import annotations

import logging
from pathlib import Path

from .state_folder import write_atomically

log = logging.getLogger(__name__)


class Generation:
    """The highest generation heard, kept in the file at `path`. `refused` counts what was of a lower one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.highest = _read(path)
        self.refused = 0

    def takes(self, generation: int) -> bool:
        """True unless `generation` is lower than one heard before; a higher one is kept from now on.

        It is on the disk before anything that came with it is acted upon. A disk that does not take it is
        reported and holds nothing up: while this process lives it is known all the same.
        """
        if generation < self.highest:
            self.refused += 1
            return False
        if generation > self.highest:
            self.highest = generation
            log.warning("the controller began a new life", extra={"generation": generation})
            try:
                write_atomically(self._path, b"%d\n" % generation)
            except OSError as error:
                log.error("the generation cannot be stored", extra={"error": str(error)})
        return True


def _read(path: Path) -> int:
    try:
        return max(1, int(path.read_bytes()[:20]))
    except FileNotFoundError:
        return 1
    except (OSError, ValueError) as error:
        log.error("the generation cannot be read", extra={"error": str(error)})
        return 1
