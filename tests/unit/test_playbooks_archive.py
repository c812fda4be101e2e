"""What comes as playbooks is unpacked into its folder and nowhere else, by the Python that Debian 12 has."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from diemcau_controller.adapters.ansible import playbooks
from diemcau_controller.adapters.ansible.playbooks import NoPlaybooks, unpack_playbooks

UPDATE = "playbooks/update.yml"


class Signed:
    """Stands for the repository: this is what was signed."""

    def __init__(self, *members: tarfile.TarInfo) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for member in members:
                tar.addfile(member, io.BytesIO(bytes(member.size)))
        self._archive = packed.getvalue()

    def signed(self, name: str) -> bytes:
        return self._archive


def member(name: str, *, size: int = 3, mode: int = 0o644, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type = size if kind == tarfile.REGTYPE else 0, mode, kind
    info.linkname = "../../outside"
    return info


def unpack(members: Iterable[tarfile.TarInfo], folder: Path) -> Path:
    return unpack_playbooks(Signed(*members), "1.4.0", folder)  # type: ignore[arg-type]


def test_it_needs_no_newer_python_than_the_server_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11.2: no `filter`."""

    def extractall(
        self: object, path: str = ".", members: object = None, *, numeric_owner: bool = False
    ) -> None:
        pytest.fail("this would follow whatever is in the archive")

    monkeypatch.setattr(tarfile.TarFile, "extractall", extractall)
    files = [member(UPDATE), member("agent/systemd/run", mode=0o755), member("agent/empty", size=0)]
    found = unpack([member("agent", kind=tarfile.DIRTYPE), *files], tmp_path / "out")
    assert (found / "update.yml").read_bytes() == bytes(3)
    assert (tmp_path / "out/agent/systemd/run").stat().st_mode & 0o777 == 0o755
    assert (found / "update.yml").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "odd",
    [
        member("../beside"),
        member("playbooks/../../beside"),
        member("/tmp/beside"),
        member("playbooks/link", kind=tarfile.SYMTYPE),
        member("playbooks/link", kind=tarfile.LNKTYPE),
        member("playbooks/pipe", kind=tarfile.FIFOTYPE),
        member("playbooks/disk", kind=tarfile.BLKTYPE),
        member(UPDATE),  # twice
        member(UPDATE + "/below"),
    ],
)
def test_nothing_leads_out_of_its_folder(tmp_path: Path, odd: tarfile.TarInfo) -> None:
    folder = tmp_path / "run" / "project"
    with pytest.raises(NoPlaybooks, match=r"^the playbooks of 1\.4\.0 .*build it anew$"):
        unpack([member(UPDATE), odd], folder)
    assert {path.name for path in tmp_path.rglob("*")} <= {"run", "project", "playbooks", "update.yml"}


def test_what_is_too_much_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playbooks, "_MOST_BYTES", 1000)
    with pytest.raises(NoPlaybooks, match="more than 1000 bytes"):
        unpack([member(UPDATE), member("playbooks/zeros", size=998)], tmp_path / "bytes")
    assert not (tmp_path / "bytes/playbooks/zeros").exists()
    monkeypatch.setattr(playbooks, "_MOST_FILES", 5)
    with pytest.raises(NoPlaybooks, match="or 5 files"):
        unpack([member(f"playbooks/{number}", size=0) for number in range(9)], tmp_path / "files")
