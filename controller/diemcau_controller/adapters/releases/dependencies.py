"""What the agent needs, from the lock, for one kind of unit: found by what the wheels themselves say.

pip fetches, from its index or from a folder of wheels, only what the lock's hashes allow, and only wheels.
What an earlier build fetched is not fetched again.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from .contents import sha256_of
from .errors import ReleaseError, ToolMissing
from .wheel_file import Target, WheelSays, name_says, wheel_says

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^ ;\\]+)(?: *; *(?P<marker>[^\\]+?))? *\\?$")
_HASH = re.compile(r"^ +--hash=sha256:(?P<sha256>[0-9a-f]{64}) *\\?$")
_LAST_WORDS = 12


@dataclass(frozen=True, slots=True)
class Pin:
    """A line of the lock: which version, and which files may be it."""

    name: NormalizedName
    version: str
    marker: Marker | None
    sha256: frozenset[str]


def read_lock(path: Path) -> list[Pin]:
    """The lines of `requirements.lock`, as uv writes it. Raises :class:`ReleaseError`, OSError."""
    pins: list[Pin] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if (found := _HASH.match(line)) and pins:
            last = pins.pop()
            pins.append(Pin(last.name, last.version, last.marker, last.sha256 | {found["sha256"]}))
            continue
        found = _PIN.match(line)
        try:
            if not found:
                raise ValueError(line[:80])
            marker = Marker(found["marker"]) if found["marker"] else None
            pins.append(
                Pin(canonicalize_name(found["name"]), str(Version(found["version"])), marker, frozenset())
            )
        except (ValueError, InvalidMarker, InvalidVersion):
            raise ReleaseError(
                f"line {number} of {path} is no pin with hashes: make the lock anew (`make lock`)"
            ) from None
    return pins


class Wheelhouse:
    """Finds wheels: those that lie below `kept` (`<sha256>/<file>`), others by pip, into `fetched`.

    With `folder` only from there, otherwise from pip's index.
    """

    def __init__(self, kept: Path, fetched: Path, folder: Path | None) -> None:
        self._kept, self._fetched, self._folder = kept, fetched, folder

    def find(self, pins: Iterable[Pin], target: Target) -> dict[NormalizedName, Path]:
        """A wheel for each pin. Raises :class:`ReleaseError`, OSError."""
        found: dict[NormalizedName, Path] = {}
        lacking: list[Pin] = []
        for pin in pins:
            path = self._have(pin, target)
            if path is None:
                lacking.append(pin)
            else:
                found[pin.name] = path
        if lacking:
            self._fetch(lacking, target)
            for pin in lacking:
                path = self._have(pin, target)
                if path is None:
                    raise ReleaseError(f"no wheel of {pin.name} {pin.version} was found for {target.arch}")
                found[pin.name] = path
        return found

    def _have(self, pin: Pin, target: Target) -> Path | None:
        """The best of those that are there; what was damaged on its way is fetched again."""
        best: tuple[int, str] | None = None
        chosen: Path | None = None
        for path in [*self._kept.glob(f"*/{_in_file(pin.name)}-*.whl"), *self._fetched.glob("*.whl")]:
            said = name_says(path.name)
            place = said.place(target)
            if (said.name, said.version) != (pin.name, pin.version) or place is None:
                continue
            sha256 = sha256_of(path)
            if sha256 not in pin.sha256:
                if self._fetched in path.parents or path.parent.name != sha256:
                    path.unlink()
            elif best is None or (place, path.name) < best:
                best, chosen = (place, path.name), path
        return chosen

    def _fetch(self, pins: list[Pin], target: Target) -> None:
        wanted = self._fetched / "wanted.txt"
        lines = [f"{pin.name}=={pin.version}{_hashes(pin)}\n" for pin in pins]
        wanted.write_text("".join(lines), encoding="utf-8")
        argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
        argv += ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest"]
        argv += [str(self._fetched), "--python-version", target.python, "--implementation", "cp"]
        for platform in target.platforms:
            argv += ["--platform", platform]
        for abi in (f"cp{target.python.replace('.', '')}", "abi3", "none"):
            argv += ["--abi", abi]
        if self._folder is not None:
            argv += ["--no-index", "--find-links", str(self._folder.resolve())]
        run([*argv, "-r", str(wanted)], self._fetched, f"the wheels for {target.arch} could not be fetched")


def closure(
    own: Iterable[WheelSays], lock: Iterable[Pin], house: Wheelhouse, target: Target
) -> dict[NormalizedName, Path]:
    """The wheels of everything that `own` need there, directly or not; without `own` themselves."""
    there = list(own)
    known = {says.name for says in there}
    pins = {pin.name: pin for pin in lock if target.fits(pin.marker)}
    found: dict[NormalizedName, Path] = {}
    extras: dict[NormalizedName, frozenset[str]] = {}
    says: dict[NormalizedName, WheelSays] = {said.name: said for said in there}
    to_read = list(known)
    while to_read:
        wanted: dict[NormalizedName, frozenset[str]] = {}
        for name in to_read:
            for needs in _needs(says[name], extras.get(name, frozenset()), target):
                other = canonicalize_name(needs.name)
                asked = wanted.get(other, extras.get(other, frozenset())) | needs.extras
                if other in known and asked == extras.get(other, frozenset()):
                    continue
                wanted[other] = asked
        new = [_pin(pins, name) for name in sorted(wanted) if name not in known]
        for name, path in house.find(new, target).items():
            found[name], says[name] = path, wheel_says(path)
        extras |= wanted
        known |= wanted.keys()
        to_read = sorted(wanted)
    return found


def run(argv: list[str], folder: Path, failed: str, env: Mapping[str, str] | None = None) -> None:
    """Run a program that builds or fetches. Raises :class:`ReleaseError` with its last words."""
    ended = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return
    words = (ended.stderr.strip() or ended.stdout.strip()).splitlines()[-_LAST_WORDS:]
    if any("No module named" in line for line in words) and "-m" in argv:
        raise ToolMissing(
            f"{argv[argv.index('-m') + 1]} is missing in this Python: install requirements.lock of the source"
        )
    raise ReleaseError("\n".join([f"{failed}; that said:", *(f"  {line[:300]}" for line in words)]))


def _needs(says: WheelSays, extras: frozenset[str], target: Target) -> list[Requirement]:
    return [needs for needs in says.requires if target.fits(needs.marker, sorted(extras))]


def _pin(pins: Mapping[NormalizedName, Pin], name: NormalizedName) -> Pin:
    try:
        return pins[name]
    except KeyError:
        raise ReleaseError(f"{name} is not in the lock: make it anew (`make lock`)") from None


def _hashes(pin: Pin) -> str:
    return "".join(f" --hash=sha256:{sha256}" for sha256 in sorted(pin.sha256))


def _in_file(name: str) -> str:
    """As a wheel's file name begins, whatever letters are large."""
    letters = (f"[{one.lower()}{one.upper()}]" if one.isalpha() else one for one in name)
    return "".join(letters).replace("-", "[-_.]")
