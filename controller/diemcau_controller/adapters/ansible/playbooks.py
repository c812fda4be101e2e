"""The playbooks of a release: they come with it, signed with it, and are unpacked for each run."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

from diemcau_wire.release import playbooks_target

_MOST_BYTES = 50_000_000


class NoPlaybooks(OSError):
    """They are not there, or are not what a release holds. The text says what to do."""


def unpack_playbooks(targets: Path, version: str, folder: Path) -> Path:
    """Unpack those of a version from the repository's `targets`; gives the folder `update.yml` lies in.

    Raises :class:`NoPlaybooks`.
    """
    archive = targets / playbooks_target(version)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = tar.getmembers()
            if sum(member.size for member in members) > _MOST_BYTES:
                raise NoPlaybooks(f"{archive} holds more than {_MOST_BYTES} bytes: build the release anew")
            tar.extractall(folder, members=members, filter="data")
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise NoPlaybooks(f"the playbooks of {version} cannot be unpacked ({error}): build it anew") from None
    found = folder / "playbooks"
    if not (found / "update.yml").is_file():
        raise NoPlaybooks(f"{archive} holds no playbooks/update.yml: build the release anew")
    return found
