"""What a wheel says of itself, and on which units it can run (PEP 425, 427, 440, 508)."""

from __future__ import annotations

import email.parser
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from diemcau_wire.release import Arch
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import (
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)

from .errors import ReleaseError

PYTHONS = {"3.11": "3.11.2", "3.13": "3.13.5"}
"""The Pythons of Debian 12 and 13, as units have them."""
_GLIBC = {"3.11": 36, "3.13": 41}
_MACHINE = {Arch.AMD64: "x86_64", Arch.ARM64: "aarch64"}
ARCHES = (Arch.AMD64, Arch.ARM64)
_LARGEST_TEXT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of unit: its Python (`3.11`) and its processor."""

    python: str
    arch: Arch

    @property
    def platforms(self) -> list[str]:
        """Platform tags of its wheels, the best first."""
        machine = _MACHINE[self.arch]
        named = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC[self.python], 4, -1)]
        return [*named, f"manylinux2014_{machine}", f"linux_{machine}"]

    def tags(self) -> dict[Tag, int]:
        """Every tag a wheel for it may have, with its place: the best is 0."""
        return _tags(self)

    def fits(self, marker: Marker | None, extras: Iterable[str] = ()) -> bool:
        """Whether a requirement with this marker is one there, with any of the extras, or without."""
        if marker is None:
            return True
        full = PYTHONS[self.python]
        there = {
            "python_version": self.python,
            "python_full_version": full,
            "implementation_name": "cpython",
            "implementation_version": full,
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": _MACHINE[self.arch],
            "platform_release": "",
            "platform_version": "",
        }
        return any(marker.evaluate({**there, "extra": extra}) for extra in ("", *extras))


@dataclass(frozen=True, slots=True)
class WheelSays:
    """Name (normalised), version, tags, and what it needs."""

    name: NormalizedName
    version: str
    tags: frozenset[Tag]
    requires: tuple[Requirement, ...]

    def place(self, target: Target) -> int | None:
        """How well it suits a kind of unit, 0 is best; None where it cannot be installed."""
        places = target.tags()
        return min((places[tag] for tag in self.tags if tag in places), default=None)

    def runs_on(self, target: Target) -> bool:
        """Whether it can be installed there."""
        return self.place(target) is not None

    @property
    def anywhere(self) -> bool:
        """Whether its file is for every kind of machine."""
        return any(tag.platform == "any" for tag in self.tags)


def name_says(file: str) -> WheelSays:
    """What a file name says; no requirements. Raises :class:`ReleaseError`."""
    try:
        name, version, _, tags = parse_wheel_filename(file)
    except (InvalidWheelFilename, ValueError):
        raise ReleaseError(f"{file[:200]} is not the name of a wheel") from None
    return WheelSays(name, str(version), tags, ())


def wheel_says(path: Path) -> WheelSays:
    """What name and METADATA of a wheel say. Raises :class:`ReleaseError` for what is no wheel, OSError."""
    named = name_says(path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [
                info
                for info in archive.infolist()
                if info.filename.count("/") == 1 and info.filename.endswith(".dist-info/METADATA")
            ]
            if len(inside) != 1 or inside[0].file_size > _LARGEST_TEXT:
                raise ReleaseError(f"{path.name} is no wheel: it has no METADATA")
            text = archive.read(inside[0]).decode("utf-8")
        said = email.parser.HeaderParser().parsestr(text)
        requires = tuple(Requirement(line) for line in said.get_all("Requires-Dist", []))
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, InvalidRequirement) as error:
        raise ReleaseError(f"{path.name} is damaged: {error}") from None
    if canonicalize_name(said.get("Name", "")) != named.name:
        raise ReleaseError(f"{path.name} says inside that it is {said.get('Name', 'nothing')!r}")
    return WheelSays(named.name, named.version, named.tags, requires)


@cache
def _tags(target: Target) -> dict[Tag, int]:
    major, minor = (int(number) for number in target.python.split("."))
    here, interpreter = (major, minor), f"cp{major}{minor}"
    tags = [
        *cpython_tags(here, [interpreter], target.platforms),
        *compatible_tags(here, interpreter, target.platforms),
    ]
    return {tag: place for place, tag in reversed(list(enumerate(tags)))}
