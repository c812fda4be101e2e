"""What a unit believes of a release: signed by an office's real keys, fetched over a line, put in by pip."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from diemcau_agent.rules.updating import Step, Why
from diemcau_agent.updating import metadata, releases
from diemcau_agent.updating.download import Download, Manner, Store
from diemcau_agent.updating.install import install
from diemcau_agent.updating.places import Places
from diemcau_agent.updating.trouble import Trouble
from diemcau_controller.adapters.releases.ceremony import rotate, sign
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.adapters.releases.systems import CERTIFICATE, add_system
from diemcau_controller.config import StateDir
from diemcau_controller.rules import releases as rules
from diemcau_wire.release import (
    Arch,
    Release,
    System,
    Wheel,
    release_target,
    system_target,
    wheel_path,
    write_release,
)

from tests.release_for_tests import LINUX, put_release, signed_release
from tests.system.release_server import Folder, ReleaseServer
from tests.system.updated_unit import NEW, OLD, UpdatedUnit, release_of, wheel
from tests.system_for_tests import make_bundle

pytestmark = pytest.mark.namespace

NOW = datetime.now(UTC)
_STARTS = """
import sys
def main():
    if sys.argv[1:] == ["--version"]:
        print("{version}")
"""


@dataclass
class Office:
    """An office with keys, a repository and a server, and a unit that trusts it from its beginning."""

    repository: Repository
    keys: Path
    state: StateDir
    server: ReleaseServer
    places: Places

    def find(self, version: str = NEW) -> Release:
        return metadata.find(self.places, self.server.line(), version, lambda _: None, lambda: 0.5)

    def why(self, version: str = NEW) -> Why:
        with pytest.raises(Trouble) as trouble:
            self.find(version)
        assert str(trouble.value)
        return trouble.value.why

    def trust(self) -> None:
        self.places.trust.parent.mkdir(parents=True, exist_ok=True)
        self.places.trust.write_bytes(self.repository.first_root())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    state = StateDir(tmp_path / "office")
    state.make()
    signed_release(state, NEW)
    repository = Repository(state)
    server = ReleaseServer(Folder(repository.folder, "/releases/"))
    made = Office(repository, tmp_path / "office-keys", state, server, Places(tmp_path / "unit"))
    made.trust()
    yield made
    server.close()


def test_what_was_signed_is_taken_and_little_travels(office: Office) -> None:
    assert office.find().version == NEW
    office.server.asked.clear()
    assert office.find().version == NEW
    asked = [path.rpartition("/")[2] for path, _ in office.server.asked]
    assert asked == ["2.root.json", "timestamp.json", "release.json"]  # is it the newest, and the release


@pytest.mark.skipif(shutil.which("rauc") is None, reason="needs rauc")
def test_a_whole_system_is_found_once_it_is_signed_and_comes_in_pieces(
    office: Office, tmp_path: Path
) -> None:
    def found(arch: Arch = Arch.AMD64) -> System | None:
        line = office.server.line()
        return metadata.find_system(office.places, line, NEW, arch, lambda _: None, lambda: 0.5)

    bundle = make_bundle(tmp_path, NEW)
    shutil.copy(tmp_path / "system-keys" / CERTIFICATE, office.repository.folder)
    system = add_system(office.repository, NEW, bundle)
    assert found() is None
    sign(office.repository, office.keys, NEW, [], NOW)
    assert found() == system and found(Arch.ARM64) is None

    store, office.server.cuts = Store(office.places.systems), [10_000, 5_000]
    manner = Manner(lambda _: None, lambda: 0.5, lambda: None, lambda _: None)
    Download(office.server.line(), store, manner).fetch(system)
    assert store.path(system).read_bytes() == bundle.read_bytes()
    assert [at for path, at in office.server.asked if path.endswith(".raucb")] == [0, 10_000, 15_000]

    said = office.repository.targets / system_target(NEW, Arch.AMD64)
    said.write_bytes(said.read_bytes().replace(system.sha256.encode(), b"0" * 64))
    with pytest.raises(Trouble) as trouble:
        found()
    assert trouble.value.why is Why.DAMAGED


def test_an_old_unit_follows_the_root(office: Office) -> None:
    for number in range(3):
        former, new = office.keys, office.keys.with_name(f"keys-{number}")
        rotate(office.repository, [former], [new], 1, NOW)
        office.keys = new
    assert office.find().version == NEW


def other_signature(office: Office) -> None:
    path = office.repository.metadata / "timestamp.json"
    document = json.loads(path.read_bytes())
    document["signatures"][0]["sig"] = "00" * 64
    path.write_text(json.dumps(document))


def too_few_signatures(office: Office) -> None:
    number = office.repository.newest_targets().signed.version
    path = office.repository.metadata / f"{number}.targets.json"
    document = json.loads(path.read_bytes())
    document["signatures"] = []
    path.write_text(json.dumps(document))


def other_release(office: Office) -> None:
    path = office.repository.targets / release_target(NEW)
    path.write_bytes(path.read_bytes().replace(b"2026-01-01", b"2026-01-02"))


def longer_release(office: Office) -> None:
    path = office.repository.targets / release_target(NEW)
    path.write_bytes(path.read_bytes() + b" " * 1000)


def garbage(office: Office) -> None:
    (office.repository.metadata / "timestamp.json").write_bytes(b"\xff" * 300)


def another_office(office: Office) -> None:
    other = StateDir(office.state.root.with_name("stranger"))
    other.make()
    signed_release(other, NEW)
    office.places.trust.write_bytes(Repository(other).first_root())


def no_trust(office: Office) -> None:
    office.places.trust.unlink()


def nothing_served(office: Office) -> None:
    office.server.status = 503


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (other_signature, Why.SIGNATURE),
        (too_few_signatures, Why.SIGNATURE),
        (other_release, Why.DAMAGED),
        (longer_release, Why.DAMAGED),
        (garbage, Why.SIGNATURE),
        (another_office, Why.SIGNATURE),
        (no_trust, Why.NO_TRUST),
        (nothing_served, Why.UNREACHABLE),
    ],
)
def test_what_is_not_believed(office: Office, harm: Callable[[Office], None], why: Why) -> None:
    harm(office)
    assert office.why() is why


def test_a_version_nobody_signed(office: Office) -> None:
    put_release(office.repository, "2.0.0")
    assert office.why("2.0.0") is Why.NO_SUCH_RELEASE


def test_an_older_state_of_the_repository_is_refused(office: Office) -> None:
    before = {path: path.read_bytes() for path in office.repository.metadata.iterdir()}
    put_release(office.repository, "1.2.0")
    sign(office.repository, office.keys, "1.2.0", [], NOW + timedelta(hours=1))
    assert office.find("1.2.0").version == "1.2.0"
    for path, content in before.items():
        path.write_bytes(content)
    assert office.why() is Why.OLDER


def test_what_nobody_said_lately_is_expired(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "TIMESTAMP_LIFE", timedelta(seconds=-5))
    put_release(office.repository, "1.2.0")
    sign(office.repository, office.keys, "1.2.0", [], NOW)
    assert office.why("1.2.0") is Why.EXPIRED


def agent_that_starts(folder: Path, version: str, life: str = "") -> Path:
    """A wheel with the program `diemcau-agent` and the module `life` that a release must be able to load."""
    path = folder / f"diemcau_agent-{version}-{LINUX[Arch.ANY]}.whl"
    info = f"diemcau_agent-{version}.dist-info"
    members = {
        "diemcau_agent/__init__.py": "",
        "diemcau_agent/cli.py": _STARTS.format(version=version),
        "diemcau_agent/unit/__init__.py": "",
        "diemcau_agent/unit/life.py": life,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: diemcau-agent\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ndiemcau-agent = diemcau_agent.cli:main\n",
    }
    record = "".join(f"{member},,\n" for member in (*members, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**members, f"{info}/RECORD": record}.items():
            archive.writestr(member, text)
    return path


def part_of(path: Path, version: str) -> Wheel:
    """What `release.json` says of that wheel."""
    data = path.read_bytes()
    return Wheel(
        name="diemcau-agent",
        version=version,
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        arch=Arch.ANY,
    )


def test_from_signatures_to_an_environment_that_runs(office: Office, tmp_path: Path) -> None:
    made = agent_that_starts(tmp_path, "1.2.0")
    part, small = part_of(made, "1.2.0"), put_release(office.repository, "1.2.0").parts[1]
    kept = office.repository.targets / wheel_path(part)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(made.read_bytes())
    release = write_release(release_of("1.2.0", [part, small]))
    (office.repository.targets / release_target("1.2.0")).write_bytes(release)
    sign(office.repository, office.keys, "1.2.0", [], NOW)
    unit = UpdatedUnit.laid(
        tmp_path / "hall",
        release_of(OLD, [wheel("diemcau-agent", b"old")]),
        find=metadata.find,
        line=office.server.line,
    )
    office.places = unit.places
    office.trust()
    unit.with_hands(install=install)
    unit.order("1.2.0")
    assert unit.go()
    assert (unit.state.step, unit.state.text, unit.running) == (Step.KEPT, "", "1.2.0")
    said = subprocess.run(
        [unit.places.current / "bin/diemcau-agent", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "1.2.0\n"


def test_a_release_that_does_not_start_is_none(tmp_path: Path) -> None:
    broken = agent_that_starts(tmp_path, "1.3.0", "import a_package_that_is_missing")
    places, part = Places(tmp_path / "hall"), part_of(broken, "1.3.0")
    store = Store(places.wheels)
    store.path(part).parent.mkdir(parents=True)
    store.path(part).write_bytes(broken.read_bytes())
    with pytest.raises(Trouble, match="a_package_that_is_missing") as trouble:
        install(places, release_of("1.3.0", [part]), [part], store)
    assert trouble.value.why is Why.DOES_NOT_START
    assert releases.manifest(places, "1.3.0") is None
