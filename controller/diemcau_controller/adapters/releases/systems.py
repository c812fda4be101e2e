"""Whole systems beside releases: bundles (RAUC) for the other slot of boxes that were flashed with an image.

Only `rauc` reads them here, with the certificate that lies in every image: what it refuses, a unit would,
too. What is said of a system is written last; without it a bundle is not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Literal

from diemcau_wire import Refused
from diemcau_wire.release import (
    SLOT_BYTES,
    Arch,
    System,
    is_version,
    read_system,
    system_path,
    system_target,
    write_system,
)

from ..whole_file import keep_names, write_whole
from .contents import read_built, sha256_of
from .errors import ReleaseError, ToolMissing, disk_told
from .repository import Repository
from .wheel_file import ARCHES

CERTIFICATE = "system.crt"
_LIMIT_S = 300


def add_system(repository: Repository, version: str, bundle: Path) -> System:
    """Put a bundle beside a release that was built here; it counts once that is signed (again). Raises
    :class:`ReleaseError`; what is signed is never changed."""
    repository.must_be_there()
    if not is_version(version):
        raise ReleaseError(f"{version[:40]!r} is no version: it is three numbers, like 1.4.0")
    targets = repository.targets
    read_built(targets, version)
    with disk_told(bundle):
        said_of_itself = _manifest(bundle, repository.folder / CERTIFICATE)
        arch = _arch_of(said_of_itself, version, bundle)
        size = bundle.stat().st_size
        if size > SLOT_BYTES:
            raise ReleaseError(_too_large(bundle, size))
        system = System(version=version, arch=arch, sha256=sha256_of(bundle), size=size)
    with repository.locked():
        name = system_target(version, arch)
        signed = repository.newest_targets().signed.targets.get(name)
        said = write_system(system)
        if signed is not None and signed.hashes["sha256"] != hashlib.sha256(said).hexdigest():
            raise ReleaseError(
                f"{version} was signed with another system for {arch}, and a version never changes: give "
                "version.py a higher number, build that and an image of it"
            )
        _keep(bundle, targets / system_path(system))
        write_whole(targets / name, said)
        for former in (targets / name).parent.glob(f"*/{system.file}"):
            if former.parent.name != system.sha256:
                shutil.rmtree(former.parent)
    return system


def read_there(targets: Path, version: str, arch: Arch) -> System | None:
    """What lies here as the system of a version; None where it brings none. Raises :class:`ReleaseError`."""
    path = targets / system_target(version, arch)
    with disk_told(targets):
        try:
            system = read_system(path.read_bytes())
        except FileNotFoundError:
            return None
        except Refused as error:
            raise ReleaseError(f"{path} is damaged ({error}): {_again(version)}") from None
    if (system.version, system.arch) != (version, arch):
        raise ReleaseError(f"{path} is that of another system: {_again(version)}")
    return system


def systems_there(targets: Path, version: str) -> list[System]:
    """The systems a version brings, as far as it lies here. Raises :class:`ReleaseError`."""
    found = [read_there(targets, version, arch) for arch in ARCHES]
    return [system for system in found if system is not None]


def check_systems(targets: Path, version: str) -> list[System]:
    """Read every bundle of a version: each is what is said of it. Raises :class:`ReleaseError`."""
    found = systems_there(targets, version)
    for system in found:
        path = targets / system_path(system)
        with disk_told(targets):
            if not path.is_file():
                raise ReleaseError(f"{path} is not there: {_again(version)}")
            if path.stat().st_size != system.size or sha256_of(path) != system.sha256:
                raise ReleaseError(
                    f"{path} is not what was added: somebody or a failing disk changed it; {_again(version)}"
                )
    return found


def _manifest(bundle: Path, certificate: Path) -> dict[str, Any]:
    """What a bundle says of itself, once its signature was found to be good."""
    if not bundle.is_file():
        raise ReleaseError(f"{bundle} is not there: `python -m firmware bundle` makes it")
    if not certificate.is_file():
        raise ReleaseError(f"{certificate} is not there: `python -m firmware key` makes the key of systems")
    argv = ["rauc", "info", f"--keyring={certificate}", "--output-format=json", str(bundle)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_LIMIT_S)
    except FileNotFoundError:
        raise ToolMissing("systems are read with rauc, which is not installed: `apt install rauc`") from None
    except subprocess.TimeoutExpired:
        raise ReleaseError(
            f"{bundle} could not be read within {_LIMIT_S} s: copy it to another disk"
        ) from None
    words = done.stderr.strip().splitlines()[-1:] or ["it says nothing"]
    if "signature verification failed" in words[0]:
        raise ReleaseError(
            f"{bundle.name} is not signed by the key of {certificate}, and every box would refuse it: sign "
            "it with `python -m firmware bundle --keys` and the folder of that key"
        )
    try:
        said = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ReleaseError(
            f"{bundle.name} is no bundle of a system ({words[0][:200]}): give the .raucb that "
            "`python -m firmware bundle` made"
        )
    return said


def _arch_of(said: dict[str, Any], version: str, bundle: Path) -> Literal[Arch.AMD64, Arch.ARM64]:
    """For which machines it is. Raises :class:`ReleaseError` for what does not belong to this version."""
    if said.get("version") != version:
        raise ReleaseError(
            f"{bundle.name} is a system of {str(said.get('version'))[:40]}, not of {version}: name that "
            "version, or the other bundle"
        )
    arches: dict[str, Literal[Arch.AMD64, Arch.ARM64]] = {
        "diemcau-amd64": Arch.AMD64,
        "diemcau-arm64": Arch.ARM64,
    }
    arch = arches.get(str(said.get("compatible")))
    if arch is None:
        raise ReleaseError(
            f"{bundle.name} is for {str(said.get('compatible'))[:80]!r}; units are {' or '.join(arches)}"
        )
    try:
        (image,) = said["images"]
        size = int(image["rootfs"]["size"])
    except (KeyError, TypeError, ValueError):
        raise ReleaseError(f"{bundle.name} holds no root of a system: make the bundle anew") from None
    if size > SLOT_BYTES:
        raise ReleaseError(_too_large(bundle, size))
    return arch


def _too_large(bundle: Path, size: int) -> str:
    return (
        f"{bundle.name} brings {size / 2**20:.0f} MiB, and a slot has {SLOT_BYTES / 2**20:.0f} MiB: build a "
        "smaller system"
    )


def _keep(bundle: Path, kept: Path) -> None:
    """Put it where it is served. Raises OSError."""
    kept.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    part = kept.with_name(f".{kept.name}.new")
    with bundle.open("rb") as source, part.open("wb") as target:
        shutil.copyfileobj(source, target, 1024 * 1024)
        target.flush()
        os.fsync(target.fileno())
    part.chmod(0o644)
    part.replace(kept)
    keep_names(kept.parent)
    keep_names(kept.parent.parent)


def _again(version: str) -> str:
    return f"give `diemcau release add-system {version} BUNDLE` once more"
