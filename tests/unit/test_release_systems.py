"""Whole systems beside releases: only what boxes would take is put there, and only signed does it count."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from diemcau_controller.adapters.releases.ceremony import set_up, sign
from diemcau_controller.adapters.releases.errors import ReleaseError, ToolMissing
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.adapters.releases.systems import CERTIFICATE, add_system
from diemcau_controller.adapters.releases.verify import signed_systems, verify
from diemcau_controller.config import StateDir
from diemcau_wire import Refused
from diemcau_wire.release import (
    SLOT_BYTES,
    Arch,
    read_system,
    system_path,
    system_target,
    write_system,
)

from firmware import layout
from tests.release_for_tests import put_release
from tests.system_for_tests import make_bundle

NOW = datetime.now(UTC)
VERSION = "1.4.0"
needs_rauc = pytest.mark.skipif(
    not (shutil.which("rauc") and shutil.which("mksquashfs")), reason="needs rauc and squashfs-tools"
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    state = StateDir(tmp_path / "state")
    state.make()
    made = Repository(state)
    set_up(made, [tmp_path / "keys"], 1, NOW)
    put_release(made, VERSION)
    return made


def bundle(repository: Repository, version: str = VERSION, **more: str) -> Path:
    folder = repository.folder.parents[1]
    made = make_bundle(folder, version, **more)
    shutil.copy(folder / "system-keys" / CERTIFICATE, repository.folder)
    return made


def signed(repository: Repository, version: str | None = VERSION) -> int:
    return sign(repository, repository.folder.parents[1] / "keys", version, [], NOW).missing


@needs_rauc
def test_a_system_counts_once_it_is_signed_beside_a_release_that_was(repository: Repository) -> None:
    assert signed(repository) == 0
    made = bundle(repository)
    system = add_system(repository, VERSION, made)
    assert (system.version, system.arch, system.size) == (VERSION, Arch.AMD64, made.stat().st_size)
    assert (repository.targets / system_path(system)).read_bytes() == made.read_bytes()
    assert signed_systems(repository) == set() and verify(repository, VERSION).systems == ()
    assert signed(repository) == 0
    assert signed_systems(repository) == {system_target(VERSION, Arch.AMD64)}
    assert verify(repository, VERSION).systems == (system,)
    assert add_system(repository, VERSION, made) == system  # given once more

    (repository.targets / system_path(system)).write_bytes(b"another")
    with pytest.raises(ReleaseError, match=r"is not what was added.*once more"):
        verify(repository, VERSION)
    add_system(repository, VERSION, made)
    with pytest.raises(ReleaseError, match="signed with another system for amd64"):
        add_system(repository, VERSION, bundle(repository))
    assert verify(repository, VERSION).systems == (system,)

    sign(repository, repository.folder.parents[1] / "keys", None, [VERSION], NOW)
    assert signed_systems(repository) == set()
    assert not (repository.targets / "systems" / VERSION).exists()


@needs_rauc
def test_one_that_is_not_signed_yet_makes_way_for_another(repository: Repository) -> None:
    first = add_system(repository, VERSION, bundle(repository))
    second = add_system(repository, VERSION, bundle(repository))
    assert not (repository.targets / system_path(first)).exists()
    assert signed(repository) == 0
    assert verify(repository, VERSION).systems == (second,)


@needs_rauc
def test_what_no_box_would_take_is_refused(repository: Repository, tmp_path: Path) -> None:
    made = bundle(repository)
    cut, none = tmp_path / "cut.raucb", tmp_path / "none.raucb"
    cut.write_bytes(made.read_bytes()[:-100])
    none.write_bytes(b"")
    wrong = [
        (bundle(repository, "1.3.0"), "is a system of 1.3.0, not of 1.4.0"),
        (bundle(repository, arch="riscv64"), "is for 'diemcau-riscv64'; units are"),
        (bundle(repository, keys="foreign-keys"), "not signed by the key of"),
        (cut, "is no bundle of a system"),
        (none, "is no bundle of a system"),
        (tmp_path / "gone.raucb", "is not there"),
    ]
    for path, sentence in wrong:
        with pytest.raises(ReleaseError, match=sentence):
            add_system(repository, VERSION, path)
    with pytest.raises(ReleaseError, match=r"1\.5\.0 was not built here"):
        add_system(repository, "1.5.0", made)
    with pytest.raises(ReleaseError, match="is no version"):
        add_system(repository, "../1", made)
    (repository.folder / CERTIFICATE).unlink()
    with pytest.raises(ReleaseError, match="python -m firmware key"):
        add_system(repository, VERSION, made)
    assert not (repository.targets / "systems").exists()


@needs_rauc
def test_one_that_fits_no_slot_is_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bundle(repository)
    monkeypatch.setattr("diemcau_controller.adapters.releases.systems.SLOT_BYTES", 10_000)
    with pytest.raises(ReleaseError, match="and a slot has"):
        add_system(repository, VERSION, made)


def test_without_rauc_it_says_what_to_install(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository.folder / CERTIFICATE).write_text("a certificate")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match="apt install rauc"):
        add_system(repository, VERSION, repository.folder / CERTIFICATE)


def test_a_slot_is_as_large_as_the_image_makes_it() -> None:
    assert layout.SLOT_A.size_mib * layout.MIB == layout.SLOT_B.size_mib * layout.MIB == SLOT_BYTES


GOOD = '{"v":1,"version":"1.4.0","arch":"amd64","sha256":"%s","size":5}' % ("ab" * 32)


def test_what_is_said_of_a_system_comes_back_the_same() -> None:
    system = read_system(GOOD.encode())
    assert read_system(write_system(system)) == system
    assert system_path(system) == f"systems/1.4.0/{'ab' * 32}/diemcau-1.4.0-amd64.raucb"


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('"v":1', '"v":2'),
        ('"1.4.0"', '"1.4"'),
        ('"1.4.0"', '"../../x"'),
        ("amd64", "any"),
        ("amd64", "../amd64"),
        ("abab", "ABAB"),
        ("5}", "0}"),
        ("5}", f"{SLOT_BYTES + 1}}}"),
        ("5}", ""),
    ],
)
def test_a_system_that_is_none_is_refused(good: str, bad: str) -> None:
    with pytest.raises(Refused):
        read_system(GOOD.replace(good, bad).encode())
