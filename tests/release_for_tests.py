"""Releases of small made-up wheels: real ZIP files, real signatures, nothing fetched."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from diemcau_controller.adapters.releases.ceremony import set_up, sign
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.config import StateDir
from diemcau_wire.release import (
    Arch,
    Release,
    Wheel,
    playbooks_target,
    release_target,
    wheel_path,
    write_release,
)

LINUX = {
    Arch.AMD64: "cp311-cp311-manylinux_2_28_x86_64",
    Arch.ARM64: "cp311-abi3-manylinux2014_aarch64",
    Arch.ANY: "py3-none-any",
}


def repository_with_keys(folder: Path, now: datetime) -> Repository:
    """A repository below `folder` whose keys, one of which is enough, lie beside it."""
    state = StateDir(folder / "state")
    state.make()
    made = Repository(state)
    set_up(made, [folder / "keys"], 1, now)
    return made


def fake_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    requires: Sequence[str] = (),
    arch: Arch = Arch.ANY,
    content: bytes = b"",
) -> Path:
    """A wheel that can be installed and does nothing: the same bytes for the same arguments."""
    inside = name.replace("-", "_")
    path = folder / f"{inside}-{version}-{LINUX[arch]}.whl"
    info = f"{inside}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    metadata += [f"Requires-Dist: {one}\n" for one in requires]
    tag = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {LINUX[arch]}\n"
    members = {
        f"{inside}/__init__.py": content,
        f"{info}/METADATA": "".join(metadata).encode(),
        f"{info}/WHEEL": tag.encode(),
    }
    lines = [f"{member},," for member in (*members, f"{info}/RECORD")]
    members[f"{info}/RECORD"] = "\n".join([*lines, ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), data)
    return path


NO_PLAYBOOKS = gzip.compress(b"", mtime=0)


def put_release(
    repository: Repository, version: str, agent: bytes = b"", playbooks: bytes = NO_PLAYBOOKS
) -> Release:
    """A release as `build` leaves it: the agent (with this content), wire, one dependency for each arch,
    and an archive of playbooks."""
    scratch = repository.folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    parts = []
    for name, arch, its_version, requires, content in (
        ("diemcau-agent", Arch.ANY, version, ["diemcau-wire", "codec>=2; sys_platform == 'linux'"], agent),
        ("diemcau-wire", Arch.ANY, version, [], b""),
        ("codec", Arch.AMD64, "2.1", [], b"amd64"),
        ("codec", Arch.ARM64, "2.1", [], b"arm64"),
    ):
        made = fake_wheel(scratch, name, its_version, requires, arch, content)
        data = made.read_bytes()
        wheel = Wheel(
            name=name,
            version=its_version,
            file=made.name,
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            arch=arch,
        )
        kept = repository.targets / wheel_path(wheel)
        kept.parent.mkdir(parents=True, exist_ok=True)
        made.replace(kept)
        parts.append(wheel)
    scratch.rmdir()
    built_at = datetime(2026, 1, 1, tzinfo=UTC)
    release = Release(version=version, built_at=built_at, python="3.11", parts=tuple(parts))
    path = repository.targets / release_target(version)
    path.parent.mkdir(parents=True, exist_ok=True)
    (repository.targets / playbooks_target(version)).write_bytes(playbooks)
    path.write_bytes(write_release(release))
    return release


def signed_release(
    state: StateDir, version: str, agent: bytes = b"", playbooks: bytes = NO_PLAYBOOKS
) -> Release:
    """A release that units would take, by keys beside the state folder, which are made once."""
    repository, keys = Repository(state), state.root.with_name(f"{state.root.name}-keys")
    if not repository.is_there:
        set_up(repository, [keys], 1, datetime.now(UTC))
    release = put_release(repository, version, agent, playbooks)
    sign(repository, keys, version, [], datetime.now(UTC))
    return release
