"""The playbooks of a release: they come with it, signed with it, and are unpacked for each run."""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path

from diemcau_wire.release import playbooks_target

from ..releases.errors import ReleaseError
from ..releases.repository import Repository

_MOST_BYTES = 50_000_000


class NoPlaybooks(OSError):
    """They are not there, or are not what was signed. The text says what to do."""


def unpack_playbooks(repository: Repository, version: str, folder: Path) -> Path:
    """Unpack those of a version, exactly as they were signed; gives the folder `update.yml` lies in.

    Raises :class:`NoPlaybooks`.
    """
    try:
        signed = repository.signed(playbooks_target(version))
    except ReleaseError as error:
        raise NoPlaybooks(f"no unit was touched: {error}") from None
    try:
        with tarfile.open(fileobj=io.BytesIO(signed), mode="r:gz") as tar:
            members = tar.getmembers()
            if sum(member.size for member in members) > _MOST_BYTES:
                raise NoPlaybooks(
                    f"the playbooks of {version} are more than {_MOST_BYTES} bytes: build it anew"
                )
            tar.extractall(folder, members=members, filter="data")
    except NoPlaybooks:
        raise
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise NoPlaybooks(f"the playbooks of {version} cannot be unpacked ({error}): build it anew") from None
    found = folder / "playbooks"
    if not (found / "update.yml").is_file():
        raise NoPlaybooks(f"what was signed as playbooks of {version} holds no update.yml: build it anew")
    return found
