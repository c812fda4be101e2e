"""Check a release as a unit does: beginning with a root it trusts, by the client of python-tuf."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from diemcau_wire.release import Release, System, playbooks_target, release_target, system_target
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from .contents import check_contents, sha256_of
from .errors import ReleaseError, disk_told
from .repository import Repository
from .systems import check_systems
from .wheel_file import ARCHES

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Verified:
    """A release that a unit would take; `sha256` is that of its `release.json`, `systems` is what it brings
    for boxes that were flashed with an image."""

    release: Release
    sha256: str
    systems: tuple[System, ...]


def verify(repository: Repository, version: str, root: bytes | None = None) -> Verified:
    """Check the signatures from `root` on (None: the first there was, which the oldest unit has), then every
    file of the release. Raises :class:`ReleaseError`, which says what a unit would refuse."""
    repository.must_be_there()
    with disk_told(repository.folder), tempfile.TemporaryDirectory(prefix="diemcau-verify-") as folder:
        trusted = root if root is not None else repository.first_root()
        try:
            updater = Updater(
                folder,
                "releases:/metadata/",
                folder,
                "releases:/targets/",
                fetcher=_Files(repository),
                config=UpdaterConfig(prefix_targets_with_hash=False),
                bootstrap=trusted,
            )
            updater.refresh()
            found = [updater.get_targetinfo(name(version)) for name in (release_target, playbooks_target)]
            if None in found:
                raise ReleaseError(
                    f"{version} is not signed: run `diemcau release sign {version} --keys DIR`"
                )
            maybe = {arch: updater.get_targetinfo(system_target(version, arch)) for arch in ARCHES}
            signed = [arch for arch, target in maybe.items() if target is not None]
            for target in (*found, *(maybe[arch] for arch in signed)):
                assert isinstance(target, TargetFile)
                updater.download_target(target)
        except (RepositoryError, DownloadError) as error:
            raise ReleaseError(_what_a_unit_says(error, version)) from None
        release = check_contents(repository.targets, version)
        systems = tuple(one for one in check_systems(repository.targets, version) if one.arch in signed)
        return Verified(release, sha256_of(repository.targets / release_target(version)), systems)


def signed_versions(repository: Repository) -> list[str]:
    """Versions whose signatures are served, as they lie there."""
    if not repository.is_there:
        return []
    names = repository.newest_targets().signed.targets
    return [name.split("/")[1] for name in names if name.endswith("/release.json")]


def signed_systems(repository: Repository) -> set[str]:
    """Target paths of the systems whose signatures are served."""
    if not repository.is_there:
        return set()
    return {name for name in repository.newest_targets().signed.targets if name.startswith("systems/")}


class _Files(FetcherInterface):
    """Gives what nginx would."""

    def __init__(self, repository: Repository) -> None:
        self._folders = {
            "releases:/metadata/": repository.metadata,
            "releases:/targets/": repository.targets,
        }

    def _fetch(self, url: str) -> Iterator[bytes]:
        for base, folder in self._folders.items():
            if url.startswith(base):
                path = folder / unquote(url.removeprefix(base))
                if not path.is_file():
                    raise DownloadHTTPError(f"{path.name} is not there", 404)
                return _pieces(path)
        raise DownloadError(f"{url} is not in the repository")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece


def _what_a_unit_says(error: Exception, version: str) -> str:
    if isinstance(error, ExpiredMetadataError):
        return (
            f"a unit refuses {version}: what vouches for it is over ({error}): let the controller run, which "
            "signs every day, and set this machine's clock; for targets run `diemcau release sign`, for the "
            "root `diemcau release rotate`"
        )
    if isinstance(error, UnsignedMetadataError):
        return f"a unit refuses {version}: {error}: sign it again with the keys that count"
    return f"a unit refuses {version}: {error}: build it again, or restore what was changed from a backup"
