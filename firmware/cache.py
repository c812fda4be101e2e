"""Debian packages in a folder: fetched once with this machine's own mirrors, from then on all that is needed.

FOLDER/ARCH/debs/*.deb    as Debian signed them: apt checked them when they were fetched
FOLDER/ARCH/repository/   the same as a repository that needs no network
FOLDER/ARCH/apt/          apt's own lists
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from .trouble import CannotBuild, run

SUITE = "bookworm"
COMPONENTS = "main non-free-firmware"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ALWAYS = ("?essential", "?priority(required)", "apt")  # what mmdebstrap begins with


class PackageCache:
    """The packages of one architecture."""

    def __init__(self, folder: Path, arch: str) -> None:
        self.folder, self._arch = folder / arch, arch
        self.debs, self.repository = self.folder / "debs", self.folder / "repository"
        self._stamp = self.folder / "made-for"

    def ready(self, names: Sequence[str]) -> bool:
        """Whether all of these and what they need is here."""
        return self._stamp.is_file() and self._stamp.read_text() == _lines(names)

    def fetch(self, names: Sequence[str]) -> None:
        """Fetch them, and what they need, in the newest versions. Raises :class:`CannotBuild`."""
        env = {**os.environ, "APT_CONFIG": str(self._configure()), "LC_ALL": "C"}
        self._stamp.unlink(missing_ok=True)
        run(["apt-get", "-qq", "update"], env=env)
        get = ["apt-get", "-qq", "--yes", "--no-install-recommends", "--download-only", "install"]
        run([*get, *_ALWAYS, *names], env=env)
        run(["apt-get", "-qq", "autoclean"], env=env)
        self.index()
        self._stamp.write_text(_lines(names))

    def index(self) -> None:
        """Make the repository anew from the packages that are here."""
        shutil.rmtree(self.repository, ignore_errors=True)
        self.repository.mkdir()
        newest = sorted(self.debs.glob("*.deb"))
        if not newest:
            raise CannotBuild(f"there are no packages in {self.debs}: run it where Debian can be reached")
        for deb in newest:
            (self.repository / deb.name).hardlink_to(deb)
        listing = "\n".join(_entry(deb) for deb in newest).encode()
        (self.repository / "Packages").write_bytes(listing)
        (self.repository / "Release").write_text(release(listing, self._arch))

    def unpacked(self, package: str, into: Path) -> Path:
        """The files of a package, in a folder; gives that. Raises :class:`CannotBuild`."""
        run(["dpkg-deb", "--extract", self._deb(package), into])
        return into

    def status(self, package: str) -> str:
        """A package's paragraph as in dpkg's status, were it installed. Raises :class:`CannotBuild`."""
        control = run(["dpkg-deb", "--field", self._deb(package)]).strip("\n")
        return f"\n{control}\nStatus: install ok installed\n"

    @property
    def source(self) -> str:
        """The line of a sources.list."""
        return f"deb [trusted=yes] copy:{self.repository.resolve()} ./"

    def _deb(self, package: str) -> Path:
        found = sorted(self.debs.glob(f"{package}_*.deb"))
        if len(found) != 1:
            raise CannotBuild(f"there are {len(found)} {package} in {self.debs}, not one: build with --fetch")
        return found[0]

    def _configure(self) -> Path:
        apt = self.folder / "apt"
        for folder in (self.debs / "partial", apt / "lists/partial", apt / "sources.d"):
            folder.mkdir(parents=True, exist_ok=True)
        (apt / "status").touch()
        (apt / "sources.list").write_text(sources(_mirrors()))
        configuration = apt / "apt.conf"
        configuration.write_text(
            f'APT::Architecture "{self._arch}";\n'
            f'#clear APT::Architectures;\nAPT::Architectures {{ "{self._arch}"; }};\n'
            'APT::Sandbox::User "root";\n'
            'Acquire::Languages "none";\n'
            f'Dir::State "{apt}";\nDir::State::lists "{apt}/lists";\nDir::State::status "{apt}/status";\n'
            f'Dir::Cache "{apt}";\nDir::Cache::archives "{self.debs}";\n'
            f'Dir::Etc::sourcelist "{apt}/sources.list";\nDir::Etc::sourceparts "{apt}/sources.d";\n'
            'Dir::Etc::preferences "/dev/null";\nDir::Etc::preferencesparts "/dev/null";\n'
        )
        return configuration


def sources(mirrors: Iterable[tuple[str, str]]) -> str:
    """sources.list for these (address, suite)."""
    return "".join(f"deb [signed-by={KEYRING}] {uri} {suite} {COMPONENTS}\n" for uri, suite in mirrors)


def release(packages: bytes, arch: str) -> str:
    """The Release file beside this Packages file: by it apt knows which suite the packages are of."""
    digest = hashlib.sha256(packages).hexdigest()
    return (
        f"Origin: Debian\nSuite: {SUITE}\nCodename: {SUITE}\nArchitectures: {arch} all\n"
        f"SHA256:\n {digest} {len(packages)} Packages\n"
    )


def _mirrors() -> list[tuple[str, str]]:
    """(address, suite) of this machine's own mirrors of that Debian. Raises :class:`CannotBuild`."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    found = [tuple(line.split()) for line in run(asked).splitlines()]
    ours = [(one[0], one[1]) for one in found if len(one) == 2 and one[1].partition("-")[0] == SUITE]
    if not ours:
        raise CannotBuild(
            f"this machine's apt knows no mirror of {SUITE}: run apt-get update, or use Debian 12"
        )
    return list(dict.fromkeys(ours))


def _entry(deb: Path) -> str:
    """A package's paragraph in Packages."""
    control = subprocess.run(
        ["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True
    ).stdout.strip("\n")
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{control}\nFilename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"


def _lines(names: Sequence[str]) -> str:
    return "".join(f"{name}\n" for name in sorted(names))
