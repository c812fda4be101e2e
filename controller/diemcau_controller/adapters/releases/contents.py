"""The files of a release below `targets/`: whole, fitting together, and nothing missing."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from diemcau_wire import Refused
from diemcau_wire.release import (
    Release,
    Wheel,
    playbooks_target,
    read_release,
    release_target,
    wheel_path,
)
from packaging.utils import canonicalize_name

from ..whole_file import keep_names
from .errors import ReleaseError, disk_told
from .wheel_file import ARCHES, PYTHONS, Target, WheelSays, wheel_says

OWN = ("diemcau-wire", "diemcau-agent")
"""What a unit runs; everything else is there because these need it."""


def built(targets: Path) -> list[str]:
    """Versions that were built here."""
    return [path.parent.name for path in targets.glob("releases/*/release.json")]


def read_built(targets: Path, version: str) -> Release:
    """The `release.json` of a version. Raises :class:`ReleaseError`."""
    path = targets / release_target(version)
    with disk_told(targets):
        try:
            release = read_release(path.read_bytes())
        except FileNotFoundError:
            raise ReleaseError(f"{version} was not built here: run `diemcau release build`") from None
        except Refused as error:
            raise ReleaseError(f"{path} is damaged ({error}): remove it and build it again") from None
    if release.version != version:
        raise ReleaseError(f"{path} says it is {release.version}: remove it and build it again")
    return release


def check_contents(targets: Path, version: str) -> Release:
    """Read every file of a release: each is what `release.json` says, runs on its kind of unit, and for both
    kinds nothing is missing that anything needs. Raises :class:`ReleaseError`."""
    release = read_built(targets, version)
    if release.python not in PYTHONS:
        raise ReleaseError(f"{version} is for Python {release.python}, which no Debian of units has")
    if not (targets / playbooks_target(version)).is_file():
        raise ReleaseError(f"the playbooks of {version} are not there: build it again")
    with disk_told(targets):
        says = {wheel.sha256: check_wheel(targets / wheel_path(wheel), wheel) for wheel in release.parts}
    for arch in ARCHES:
        _check_fits(release, Target(release.python, arch), says)
    return release


def check_wheel(path: Path, wheel: Wheel) -> WheelSays:
    """A wheel as it lies there is the one that is meant. Raises :class:`ReleaseError`, OSError."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise ReleaseError(f"{wheel.file} is not there: run `diemcau release build` again") from None
    if size != wheel.size:
        raise ReleaseError(
            f"{wheel.file} has {size} bytes instead of {wheel.size}: remove it and run "
            "`diemcau release build`"
        )
    if sha256_of(path) != wheel.sha256:
        raise ReleaseError(
            f"{wheel.file} is not what was built: somebody or a failing disk changed it; remove it and run "
            "`diemcau release build`"
        )
    says = wheel_says(path)
    if says.name != wheel.name or says.version != wheel.version:
        raise ReleaseError(f"{wheel.file} is {says.name} {says.version}, not {wheel.name} {wheel.version}")
    return says


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_files(targets: Path, versions: Iterable[str]) -> None:
    """Remove releases, and the wheels no other one names."""
    gone = [version for version in versions if (targets / release_target(version)).exists()]
    for version in gone:
        if (systems := targets / "systems" / version).exists():
            shutil.rmtree(systems)
        shutil.rmtree((targets / release_target(version)).parent)
    if not gone:
        return
    needed = {wheel.sha256 for version in built(targets) for wheel in read_built(targets, version).parts}
    for folder in (targets / "wheels").iterdir():
        if folder.name not in needed:
            shutil.rmtree(folder)
    keep_names(targets / "wheels")


def _check_fits(release: Release, target: Target, says: dict[str, WheelSays]) -> None:
    parts = {wheel.name: says[wheel.sha256] for wheel in release.parts_for(target.arch)}
    for name in OWN:
        if name not in parts:
            raise ReleaseError(f"{name} is missing in {release.version} for {target.arch}: build it again")
    for name, said in parts.items():
        if not said.runs_on(target):
            raise ReleaseError(f"{name} in {release.version} does not run on {target.arch}: build it again")
        for needs in said.requires:
            if not target.fits(needs.marker):
                continue
            there = parts.get(canonicalize_name(needs.name))
            if there is None or not needs.specifier.contains(there.version, prereleases=True):
                has = "nothing" if there is None else there.version
                raise ReleaseError(
                    f"{name} in {release.version} needs {needs} on {target.arch}, and there is {has}: make "
                    "the lock anew (`make lock`) and build it again"
                )
