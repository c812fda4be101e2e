"""Build a release: our own wheels, everything the agent needs for both kinds of units, the playbooks.

The same source and lock give the same bytes. What is done lies in the repository under its SHA-256 at once,
and `release.json` comes last: who was cut short gives the command again and goes on from there.
"""

from __future__ import annotations

import fcntl
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from diemcau_wire.release import (
    Arch,
    Release,
    Wheel,
    is_version,
    playbooks_target,
    release_target,
    wheel_path,
    write_release,
)
from packaging.utils import NormalizedName

from ..whole_file import copy_whole, write_whole
from .contents import check_contents, read_built, sha256_of
from .dependencies import Wheelhouse, closure, read_lock, run
from .errors import ReleaseError, disk_told
from .repository import Repository
from .verify import signed_versions
from .wheel_file import ARCHES, PYTHONS, Target, wheel_says

DISTRIBUTIONS = ("wire", "agent")
SHIPPED = ("playbooks", "agent/systemd")
"""Folders of the source that the playbooks need, as they stand in the archive."""
_LEFT_OUT = ("__pycache__", "*.pyc", ".git", ".venv", "*.retry")


@dataclass(frozen=True, slots=True)
class Built:
    """A release in the repository, not signed yet; `sha256` is that of its `release.json`, and `fetched` how
    many bytes of wheels were not there before."""

    release: Release
    sha256: str
    fetched: int


def own_source() -> Path | None:
    """The source this program runs from; None when it was installed from wheels."""
    folder = Path(__file__).parents[4]
    return folder if (folder / "version.py").is_file() and (folder / "agent").is_dir() else None


def build(
    repository: Repository,
    source: Path,
    wheels: Path | None = None,
    *,
    python: str = "3.11",
    now: datetime,
) -> Built:
    """Build the version that `source` says it is. `wheels` is a folder instead of pip's index.

    Raises :class:`ReleaseError`; nothing that is signed is touched.
    """
    if python not in PYTHONS:
        raise ReleaseError(f"units have Python {' or '.join(PYTHONS)} (Debian 12, 13), not {python[:20]}")
    if wheels is not None and not wheels.is_dir():
        raise ReleaseError(f"{wheels} is not a folder: name the one with the wheels")
    with disk_told(repository.folder), _alone(repository) as folder:
        version = version_of(source)
        epoch = _epoch(source, now)
        own = [_wheel_of(source, name, folder, epoch) for name in DISTRIBUTIONS]
        lock = read_lock(source / "requirements.lock")
        house = Wheelhouse(repository.targets / "wheels", folder / "fetched", wheels)
        said = [wheel_says(path) for path in own]
        for one in said:
            if one.version != version:
                raise ReleaseError(f"version.py says {version}, but {one.name} was built as {one.version}")
        everywhere: dict[Arch, dict[NormalizedName, Path]] = {}
        for arch in ARCHES:
            found = closure(said, lock, house, Target(python, arch))
            everywhere[arch] = found | {one.name: path for one, path in zip(said, own, strict=True)}
        parts = _parts(everywhere)
        release = Release(
            version=version, built_at=datetime.fromtimestamp(epoch, UTC), python=python, parts=tuple(parts)
        )
        _refuse_to_change(repository, release)
        fetched = 0
        for wheel, path in parts.items():
            fetched += _keep(repository, wheel, path)
        playbooks = repository.targets / playbooks_target(version)
        playbooks.parent.mkdir(parents=True, exist_ok=True)
        write_whole(playbooks, _archive(source, epoch))
        write_whole(repository.targets / release_target(version), write_release(release))
        check_contents(repository.targets, version)
        return Built(release, sha256_of(repository.targets / release_target(version)), fetched)


def version_of(source: Path) -> str:
    """What `version.py` says. Raises :class:`ReleaseError`."""
    try:
        text = (source / "version.py").read_text(encoding="utf-8")
    except OSError:
        raise ReleaseError(f"{source} is not the source of Điểm Cầu: name its folder with --source") from None
    found = re.search(r'^__version__ = "([^"]*)"$', text, re.MULTILINE)
    if not found or not is_version(found[1]):
        raise ReleaseError(f"{source / 'version.py'} says no version of three numbers, like 1.4.0")
    return found[1]


@contextmanager
def _alone(repository: Repository) -> Iterator[Path]:
    """A folder for one build at a time. Wheels that were fetched stay in it until a build is whole."""
    folder = repository.folder / "building"
    for each in (folder / "fetched", repository.targets / "wheels"):
        each.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReleaseError("a release is being built right now: wait until it is done") from None
        yield folder
        shutil.rmtree(folder / "fetched")


def _epoch(source: Path, now: datetime) -> int:
    """When the source was made, in seconds: told by SOURCE_DATE_EPOCH, else its last commit, else now."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    if told:
        if not told.isdigit() or not 315532800 <= int(told) <= 4102444800:  # what a ZIP file can say
            raise ReleaseError("SOURCE_DATE_EPOCH is no number of seconds between 1980 and 2100")
        return int(told)
    try:
        asked = subprocess.run(
            ["git", "-C", str(source), "log", "-1", "--format=%ct"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return int(now.timestamp())
    text = asked.stdout.strip()
    return int(text) if asked.returncode == 0 and text.isdigit() else int(now.timestamp())


def _wheel_of(source: Path, name: str, folder: Path, epoch: int) -> Path:
    """Build one of our own distributions, from a copy, so that the source is left as it is."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        copy = Path(scratch)
        shutil.copy(source / "version.py", copy)
        shutil.copytree(source / name, copy / name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"}
        argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(copy / "out")]
        run(argv, copy / name, f"the wheel of {name} could not be built", env)
        (made,) = (copy / "out").glob("*.whl")
        kept = folder / "fetched" / made.name
        shutil.move(made, kept)
        return kept


def _parts(everywhere: dict[Arch, dict[NormalizedName, Path]]) -> dict[Wheel, Path]:
    """Each wheel once: for both kinds of units where both have the same file."""
    found: dict[Wheel, Path] = {}
    for arch, wheels in everywhere.items():
        for name, path in wheels.items():
            others = [other.get(name) for kind, other in everywhere.items() if kind is not arch]
            said = wheel_says(path)
            wheel = Wheel(
                name=name,
                version=said.version,
                file=path.name,
                sha256=sha256_of(path),
                size=path.stat().st_size,
                arch=Arch.ANY if said.anywhere and all(other == path for other in others) else arch,
            )
            found[wheel] = path
    return dict(sorted(found.items(), key=lambda item: (item[0].name, item[0].arch)))


def _refuse_to_change(repository: Repository, release: Release) -> None:
    if release.version not in signed_versions(repository):
        return
    if write_release(read_built(repository.targets, release.version)) != write_release(release):
        raise ReleaseError(
            f"{release.version} is signed, and the source is another now: a version never changes; give "
            "version.py a higher number"
        )


def _keep(repository: Repository, wheel: Wheel, path: Path) -> int:
    """Put a wheel where it is served; gives its size when it was not there."""
    kept = repository.targets / wheel_path(wheel)
    if kept.exists() and kept.stat().st_size == wheel.size and sha256_of(kept) == wheel.sha256:
        return 0
    copy_whole(path, kept)
    return wheel.size


def _archive(source: Path, epoch: int) -> bytes:
    """Playbooks and what they install, as a tar archive that is always the same."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for top in SHIPPED:
            for path in sorted((source / top).rglob("*")):
                inside = path.relative_to(source)
                if path.is_symlink() or not path.is_file():
                    continue
                if any(Path(part).match(out) for part in inside.parts for out in _LEFT_OUT):
                    continue
                data = path.read_bytes()
                info = tarfile.TarInfo(inside.as_posix())
                info.size, info.mtime = len(data), epoch
                info.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                tar.addfile(info, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=epoch) as file:
        file.write(plain.getvalue())
    return packed.getvalue()
