"""The releases on this unit: which are whole, which one runs, and letting another one run."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from diemcau_wire import Refused
from diemcau_wire.release import Release, Wheel, is_version, order, read_release

from diemcau_agent.unit.state_folder import remove, sync_folder

from .places import Places


def manifest(places: Places, version: str) -> Release | None:
    """What a release that is whole is made of; None when it is not there, or not whole."""
    try:
        release = read_release(places.manifest(version).read_bytes())
    except (OSError, Refused):
        return None
    return release if release.version == version else None


def complete(places: Places) -> list[str]:
    """The releases that are whole, the newest first."""
    there = [path.name for path in _folders(places) if is_version(path.name)]
    return sorted((v for v in there if manifest(places, v) is not None), key=order, reverse=True)


def running(places: Places) -> str | None:
    """The release that `current` shows to; None when it shows to none that is whole."""
    return _shown(places, places.current)


def proven(places: Places) -> str | None:
    """The release that `proven` shows to; None when it shows to none that is whole."""
    return _shown(places, places.proven)


def show(places: Places, link: Path, version: str) -> None:
    """Let `link` show to a release: after a power cut it shows to the former or this one. Raises OSError."""
    fresh = link.with_name(link.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(places.release(version).relative_to(link.parent))
    fresh.replace(link)
    sync_folder(link.parent)


def remove_release(places: Places, version: str) -> None:
    """Remove a release, whole or not. Cut short, what is left is not whole. One that the system itself brings
    is a link here, and only that goes. Raises OSError."""
    if places.release(version).is_symlink():
        remove(places.release(version))
        return
    remove(places.manifest(version))
    if places.release(version).exists():
        shutil.rmtree(places.release(version))


def prune(places: Places, keep: Collection[str], wheels: Iterable[Wheel] = ()) -> None:
    """Remove the releases not in `keep`, and the wheels that are neither theirs nor in `wheels`. Raises
    OSError."""
    for path in _folders(places):
        if path.name not in keep and path.is_dir():
            remove_release(places, path.name)
    needed = {
        part.sha256
        for version in keep
        if (release := manifest(places, version)) is not None
        for part in release.parts
    } | {wheel.sha256 for wheel in wheels}
    for path in sorted(places.wheels.iterdir()) if places.wheels.is_dir() else ():
        if path.name not in needed and path.is_dir():
            if path.is_symlink():
                remove(path)
            else:
                shutil.rmtree(path)


def make_way(places: Places, keep: Collection[str]) -> None:
    """Remove all that may be missed on a full disk: the wheels, which can be fetched again, and the releases
    not in `keep`. Raises OSError."""
    if places.wheels.is_dir():
        shutil.rmtree(places.wheels)
    prune(places, keep)


def _folders(places: Places) -> list[Path]:
    return sorted(places.releases.iterdir()) if places.releases.is_dir() else []


def _shown(places: Places, link: Path) -> str | None:
    try:
        version = (link.parent / link.readlink()).name
        if not is_version(version) or not link.resolve().samefile(places.release(version)):
            return None
    except OSError:
        return None
    return version if manifest(places, version) is not None else None
