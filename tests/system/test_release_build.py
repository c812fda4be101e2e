"""A release built from a small source by the real tools, from a folder of wheels: nothing is fetched."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from diemcau_controller.adapters.releases import build as building
from diemcau_controller.adapters.releases.build import Built, build
from diemcau_controller.adapters.releases.ceremony import set_up, sign
from diemcau_controller.adapters.releases.dependencies import read_lock
from diemcau_controller.adapters.releases.errors import ReleaseError
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.adapters.releases.verify import verify
from diemcau_controller.config import StateDir
from diemcau_wire.release import Arch, playbooks_target, release_target, wheel_path

from tests.release_for_tests import fake_wheel

NOW = datetime.now(UTC)


@dataclass
class Workshop:
    """A source with two distributions, a lock, and a folder of the wheels it names."""

    source: Path
    wheels: Path

    def lock(self, *more: str) -> None:
        """Pin every wheel in the folder."""
        pins: dict[str, list[str]] = {}
        for path in sorted(self.wheels.glob("*.whl")):
            name, version = path.name.split("-")[:2]
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            pins.setdefault(f"{name}=={version}", []).append(f"    --hash=sha256:{sha256}")
        lines = [" \\\n".join([pin, *hashes]) for pin, hashes in pins.items()]
        (self.source / "requirements.lock").write_text("\n".join([*lines, *more, ""]))

    def version(self, version: str) -> None:
        (self.source / "version.py").write_text(f'__version__ = "{version}"\n')


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("workshop")
    made = Workshop(folder / "source", folder / "wheels")
    made.wheels.mkdir()
    for name, needs in (
        ("wire", []),
        ("agent", ["diemcau-wire", "codec", "small[fast]>=1", "old; python_version < '3'"]),
    ):
        package = made.source / name / f"diemcau_{name}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (made.source / name / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "diemcau-{name}"\ndynamic = ["version"]\ndependencies = {needs!r}\n'
            '[tool.hatch.version]\npath = "../version.py"\n'
        )
    made.version("1.0.0")
    for folder_name in ("playbooks/roles/x", "playbooks/__pycache__", "agent/systemd"):
        (made.source / folder_name).mkdir(parents=True)
        (made.source / folder_name / "file").write_text(folder_name)
    fake_wheel(made.wheels, "codec", "2.1", [], Arch.AMD64, b"amd64")
    fake_wheel(made.wheels, "codec", "2.1", [], Arch.ARM64, b"arm64")
    fake_wheel(made.wheels, "small", "1.5", ["speed==3.0; extra == 'fast'", "gone; sys_platform == 'win32'"])
    fake_wheel(made.wheels, "speed", "3.0")
    fake_wheel(made.wheels, "unused", "1.0")
    made.lock("")
    yield made


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return fresh(tmp_path / "state")


def fresh(folder: Path) -> Repository:
    state = StateDir(folder)
    state.make()
    made = Repository(state)
    set_up(made, [folder.with_name("keys")], 1, NOW)
    return made


def make(repository: Repository, workshop: Workshop) -> Built:
    return build(repository, workshop.source, workshop.wheels, now=NOW)


def test_what_the_agent_needs_is_found_and_the_same_source_gives_the_same_bytes(
    workshop: Workshop, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    made = make(repository, workshop)
    release = made.release
    assert release.built_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert [(part.name, part.arch.value) for part in release.parts] == [
        ("codec", "amd64"),
        ("codec", "arm64"),
        ("diemcau-agent", "any"),
        ("diemcau-wire", "any"),
        ("small", "any"),
        ("speed", "any"),
    ]
    assert made.fetched == sum(part.size for part in release.parts)
    with tarfile.open(
        fileobj=io.BytesIO((repository.targets / playbooks_target("1.0.0")).read_bytes())
    ) as tar:
        assert tar.getnames() == ["playbooks/roles/x/file", "agent/systemd/file"]
    sign(repository, tmp_path / "keys", "1.0.0", [], NOW)
    assert verify(repository, "1.0.0").sha256 == made.sha256

    other = fresh(tmp_path / "other" / "state")
    copy = Workshop(tmp_path / "copy", workshop.wheels)
    shutil.copytree(workshop.source, copy.source)
    assert make(other, copy).sha256 == made.sha256
    for name in (release_target("1.0.0"), playbooks_target("1.0.0"), *map(wheel_path, release.parts)):
        assert (other.targets / name).read_bytes() == (repository.targets / name).read_bytes()

    copy.version("1.1.0")  # only what is our own is another then
    again = make(repository, copy)
    own = [part.size for part in again.release.parts if part.name.startswith("diemcau-")]
    assert again.fetched == sum(own)
    copy.version("1.0.0")
    (copy.source / "agent/diemcau_agent/__init__.py").write_text("changed = True\n")
    with pytest.raises(ReleaseError, match="never changes"):
        make(repository, copy)
    assert verify(repository, "1.0.0").sha256 == made.sha256


def without_a_wheel(copy: Workshop) -> None:
    next(copy.wheels.glob("speed*")).unlink()


def with_another_wheel(copy: Workshop) -> None:
    path = next(copy.wheels.glob("codec*x86_64*"))
    path.write_bytes(path.read_bytes() + b"\0")


def without_a_pin(copy: Workshop) -> None:
    next(copy.wheels.glob("speed*")).unlink()
    copy.lock()


def with_a_broken_lock(copy: Workshop) -> None:
    copy.lock("-e git+https://example.org/x")


def without_a_version(copy: Workshop) -> None:
    copy.version("1.0.0rc1")


def that_does_not_build(copy: Workshop) -> None:
    (copy.source / "wire/pyproject.toml").write_text("[")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (without_a_wheel, r"could not be fetched(.|\n)*speed"),
        (with_another_wheel, r"could not be fetched(.|\n)*(hash|HASH)"),
        (without_a_pin, "speed is not in the lock"),
        (with_a_broken_lock, "is no pin with hashes"),
        (without_a_version, "no version of three numbers"),
        (that_does_not_build, "wheel of wire could not be built"),
    ],
)
def test_what_cannot_be_built_is_a_sentence_and_nothing_is_there(
    workshop: Workshop, repository: Repository, tmp_path: Path, harm: Callable[[Workshop], None], says: str
) -> None:
    copy = Workshop(tmp_path / "source", tmp_path / "wheels")
    shutil.copytree(workshop.source, copy.source)
    shutil.copytree(workshop.wheels, copy.wheels)
    harm(copy)
    with pytest.raises(ReleaseError, match=says):
        make(repository, copy)
    assert not (repository.targets / release_target("1.0.0")).exists()


def test_a_build_that_was_cut_short_goes_on(
    workshop: Workshop, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes, mode: int = 0o644) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(building, "write_whole", full)
    with pytest.raises(ReleaseError, match=r"is full: make room"):
        make(repository, workshop)
    monkeypatch.undo()
    monkeypatch.setattr(building, "_keep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make(repository, workshop)
    monkeypatch.undo()
    empty = Workshop(workshop.source, tmp_path / "empty")  # nothing is fetched a second time
    empty.wheels.mkdir()
    assert make(repository, empty).release.version == "1.0.0"


def test_the_lock_of_this_source_can_be_read() -> None:
    source = building.own_source()
    assert source is not None
    pins = read_lock(source / "requirements.lock")
    assert {"tuf", "numpy", "av"} <= {pin.name for pin in pins} and all(pin.sha256 for pin in pins)
