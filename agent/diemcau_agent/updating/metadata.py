"""What release the coordinator offers, as far as signatures vouch for it: the client's side of TUF.

Only `release.json`, and what is said of a whole system, are targets of their own; they name wheels and bundle
by their SHA-256. The root that was laid here
when the unit was provisioned is where trust begins; later roots follow from it, one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from diemcau_wire import Refused
from diemcau_wire.release import (
    METADATA_PATH,
    TARGETS_PATH,
    Arch,
    Release,
    System,
    read_release,
    read_system,
    release_target,
    system_target,
)
from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
)
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from diemcau_agent.rules.updating import Why

from .line import CUT, Line, NotServed
from .places import Places
from .trouble import Trouble

log = logging.getLogger(__name__)

TRIES = 4
FIRST_PAUSE_S = 1.0


class _Fetcher(FetcherInterface):
    """Small files over our own line, each tried a few times."""

    def __init__(self, line: Line, pause: Callable[[float], None], chance: Callable[[], float]) -> None:
        self._line, self._pause, self._chance = line, pause, chance

    def _fetch(self, url: str) -> Iterator[bytes]:
        why = ""
        for attempt in range(TRIES):
            if attempt:
                self._pause(FIRST_PAUSE_S * 2**attempt * (0.5 + self._chance()))
            try:
                with self._line.open(url) as opened:
                    content = b"".join(opened.bites)
                if opened.whole in (None, len(content)):
                    return iter((content,))
                why = f"{len(content)} bytes of {opened.whole}"
            except NotServed as error:
                if error.status < 500 and error.status != 429:
                    raise DownloadHTTPError(f"{url}: {error}", error.status) from None
                why = str(error)
            except CUT as error:
                why = str(error) or type(error).__name__
        raise DownloadError(f"{url}: {why}")


def find(
    places: Places, line: Line, version: str, pause: Callable[[float], None], chance: Callable[[], float]
) -> Release:
    """The release `version` as it was signed. Raises :class:`Trouble` and OSError."""
    said = _signed(places, release_target(version), _Fetcher(line, pause, chance))
    if said is None:
        raise Trouble(Why.NO_SUCH_RELEASE, f"release {version} is not among those that are signed")
    try:
        return read_release(said)
    except Refused as error:
        raise Trouble(Why.DAMAGED, f"release.json: {error}") from None


def find_system(
    places: Places,
    line: Line,
    version: str,
    arch: Arch,
    pause: Callable[[float], None],
    chance: Callable[[], float],
) -> System | None:
    """The system that release `version` brings for such a machine, None: it brings none. Raises
    :class:`Trouble` and OSError."""
    said = _signed(places, system_target(version, arch), _Fetcher(line, pause, chance))
    if said is None:
        return None
    try:
        system = read_system(said)
    except Refused as error:
        raise Trouble(Why.DAMAGED, f"the system of {version}: {error}") from None
    if (system.version, system.arch) != (version, arch):
        raise Trouble(Why.DAMAGED, f"the system of {version} says it is {system.version} for {system.arch}")
    return system


def _signed(places: Places, name: str, fetcher: _Fetcher) -> bytes | None:
    """A target as it was signed, None: there is none of that name. Raises :class:`Trouble` and OSError."""
    trust, kept = places.trust, places.metadata
    try:
        root = trust.read_bytes()
    except FileNotFoundError:
        raise Trouble(Why.NO_TRUST, f"{trust} is missing; provision this unit again") from None
    kept.mkdir(parents=True, exist_ok=True)
    targets = kept.with_name("targets")
    try:
        updater = Updater(
            str(kept),
            METADATA_PATH,
            str(targets),
            TARGETS_PATH,
            fetcher,
            UpdaterConfig(prefix_targets_with_hash=False),
            bootstrap=root,
        )
        target = updater.get_targetinfo(name)
        return None if target is None else Path(updater.download_target(target)).read_bytes()
    except DownloadHTTPError as error:
        raise Trouble(Why.UNREACHABLE, f"the server has no releases: {error}") from None
    except (DownloadLengthMismatchError, LengthOrHashMismatchError) as error:
        raise Trouble(Why.DAMAGED, str(error)) from None
    except DownloadError as error:
        raise Trouble(Why.UNREACHABLE, str(error)) from None
    except ExpiredMetadataError as error:
        raise Trouble(Why.EXPIRED, str(error)) from None
    except BadVersionNumberError as error:
        raise Trouble(Why.OLDER, f"the server offers what is older than what was seen: {error}") from None
    except RepositoryError as error:
        raise Trouble(Why.SIGNATURE, str(error)) from None
