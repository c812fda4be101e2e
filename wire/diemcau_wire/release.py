"""A release of the unit's software: what `release.json` says, and where its files lie.

The coordinator's server serves a TUF repository (The Update Framework 1.0) at :data:`METADATA_PATH` and
:data:`TARGETS_PATH`. Its targets are `release.json` and the playbooks of each version; the wheels are named
in `release.json` by their SHA-256, so that who trusts it trusts them, and a wheel that two releases share
lies there, and travels, once. A version may bring a whole system for boxes that were flashed with an image,
too: a small target names its bundle in the same way. Target files carry no hash before their names (the
client's setting `prefix_targets_with_hash=False`): those of a version never change. This module knows no TUF;
it is the border for what was verified by it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .enrolment import take
from .messages import Part, Utc

METADATA_PATH = "/releases/metadata/"
TARGETS_PATH = "/releases/targets/"
_VERSION = r"^(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}$"
_WHEEL = r"^[A-Za-z0-9][A-Za-z0-9_.]*(-[A-Za-z0-9_.+!]+){3,5}\.whl$"
_MOST_PARTS = 400
SLOT_BYTES = 1536 * 1024 * 1024
"""How large the system of an image may be: as large as its slot."""

Version = Annotated[str, Field(pattern=_VERSION)]
"""Three numbers: `1.4.0`."""


class Arch(StrEnum):
    """Which machines a wheel is for, in Debian's words. any: all of them."""

    ANY = "any"
    AMD64 = "amd64"
    ARM64 = "arm64"


class Wheel(Part):
    """One distribution of a release: its normalised `name` and `version` (PEP 503, PEP 440), the `file` name
    of its wheel, the SHA-256 of that in hexadecimal and its `size` in bytes."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+!]{1,64}$")]
    file: Annotated[str, Field(pattern=_WHEEL, max_length=200)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=1, le=2**31)]
    arch: Arch


class Release(Part):
    """`release.json`: every wheel that a unit of this `version` has, for `python` (`3.11`), of both kinds of
    machines; each distribution once for each kind."""

    v: Literal[1] = 1
    version: Version
    built_at: Utc
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]
    parts: Annotated[tuple[Wheel, ...], Field(min_length=1, max_length=_MOST_PARTS)]

    @model_validator(mode="after")
    def _each_once(self) -> Release:
        for arch in (Arch.AMD64, Arch.ARM64):
            names = [part.name for part in self.parts_for(arch)]
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{', '.join(sorted(twice))} is there twice for {arch}")
        return self

    def parts_for(self, arch: Arch) -> tuple[Wheel, ...]:
        """The wheels of such a machine, in the order of the file."""
        return tuple(part for part in self.parts if part.arch in (arch, Arch.ANY))


class System(Part):
    """What a version brings as a whole system for the other slot of an image (RAUC bundle), for one kind of
    machine: the SHA-256 of its file in hexadecimal and its `size` in bytes."""

    v: Literal[1] = 1
    version: Version
    arch: Literal[Arch.AMD64, Arch.ARM64]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=1, le=SLOT_BYTES)]

    @property
    def file(self) -> str:
        """Its name."""
        return f"diemcau-{self.version}-{self.arch}.raucb"


def is_version(text: str) -> bool:
    """Whether this can be the version of a release."""
    return re.fullmatch(_VERSION, text) is not None


def order(version: str) -> tuple[int, int, int]:
    """What versions are compared by: the higher one is the newer one. ValueError for what is none."""
    if not is_version(version):
        raise ValueError(f"{version[:40]!r} is no version of a release")
    first, second, third = version.split(".")
    return int(first), int(second), int(third)


def release_target(version: str) -> str:
    """Target path of the `release.json` of a version."""
    return f"releases/{version}/release.json"


def playbooks_target(version: str) -> str:
    """Target path of the playbooks of a version."""
    return f"releases/{version}/playbooks.tar.gz"


def wheel_path(wheel: Wheel) -> str:
    """Where a wheel lies below :data:`TARGETS_PATH`; no TUF target of its own."""
    return f"wheels/{wheel.sha256}/{wheel.file}"


def system_target(version: str, arch: Arch) -> str:
    """Target path of what is said of the system of a version, for one kind of machine."""
    return f"systems/{version}/{arch}.json"


def system_path(system: System) -> str:
    """Where its bundle lies below :data:`TARGETS_PATH`; no TUF target of its own."""
    return f"systems/{system.version}/{system.sha256}/{system.file}"


def write_release(release: Release) -> bytes:
    """`release.json`: the same bytes for the same release, readable by people."""
    return (release.model_dump_json(indent=1) + "\n").encode()


def read_release(payload: bytes) -> Release:
    """Parse a `release.json`. Raises :class:`.parse.Refused`, and nothing else."""
    return take(Release, payload)


def write_system(system: System) -> bytes:
    """What is said of a system: the same bytes for the same system, readable by people."""
    return (system.model_dump_json(indent=1) + "\n").encode()


def read_system(payload: bytes) -> System:
    """Parse what is said of a system. Raises :class:`.parse.Refused`, and nothing else."""
    return take(System, payload)
