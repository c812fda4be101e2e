"""The playbooks of a release: they come with it, signed with it, and are unpacked for each run."""

from __future__ import annotations

import io
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from diemcau_wire.release import playbooks_target

from ..releases.errors import ReleaseError
from ..releases.repository import Repository

_MOST_BYTES = 50_000_000
_MOST_FILES = 10_000


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
        with tarfile.open(fileobj=io.BytesIO(signed), mode="r|gz") as tar:
            _unpack(tar, folder)
    except NoPlaybooks as error:
        raise NoPlaybooks(f"the playbooks of {version} {error}: build it anew") from None
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        raise NoPlaybooks(f"the playbooks of {version} cannot be unpacked ({error}): build it anew") from None
    found = folder / "playbooks"
    if not (found / "update.yml").is_file():
        raise NoPlaybooks(f"what was signed as playbooks of {version} holds no update.yml: build it anew")
    return found


def _unpack(tar: tarfile.TarFile, folder: Path) -> None:
    """Files and folders, one after the other. Not by `extractall`: to have it refuse what leads out of the
    folder takes a newer Python than Debian 12 has."""
    left = _MOST_BYTES
    for number, member in enumerate(tar):
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or not (member.isreg() or member.isdir()):
            raise NoPlaybooks(f"hold {member.name[:80]!r}, which is no file in their folder")
        left -= member.size
        if left < 0 or number >= _MOST_FILES:
            raise NoPlaybooks(f"are more than {_MOST_BYTES} bytes or {_MOST_FILES} files")
        if member.isdir():
            (folder / name).mkdir(parents=True, exist_ok=True)
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content = tar.extractfile(member)
        assert content is not None  # it is a file
        with (folder / name).open("xb") as file:
            shutil.copyfileobj(content, file)
        (folder / name).chmod(0o755 if member.mode & 0o100 else 0o644)
