"""A release beside the one that runs: an environment of its own, made in place, whole when it says so.

Nothing of it is moved afterwards, because the programs of an environment name its path. `release.json` is
written last; what a power cut left without it is made anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from diemcau_wire.release import Release, Wheel, write_release

from diemcau_agent.rules.updating import Why
from diemcau_agent.unit.state_folder import write_atomically

from .download import Store
from .places import Places
from .trouble import Trouble

INSTALL_LIMIT_S = 1800.0  # a slow card
PROBE_LIMIT_S = 120.0
_PROBE = "import diemcau_agent.unit.life"
_NO_SPACE = "No space left on device"


def interpreter(release: Release) -> Path:
    """This machine's Python as the release wants it. Raises :class:`Trouble`."""
    have = f"{sys.version_info.major}.{sys.version_info.minor}"
    if have != release.python:
        raise Trouble(Why.PYTHON, f"the release is for Python {release.python}, this machine has {have}")
    return Path(sys.base_prefix) / "bin" / f"python{have}"


def install(places: Places, release: Release, wheels: Sequence[Wheel], store: Store) -> None:
    """Make the environment of a release from wheels in the store. Raises :class:`Trouble` and OSError."""
    python, target = interpreter(release), places.release(release.version)
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _run([str(python), "-m", "venv", str(target)], INSTALL_LIMIT_S, Why.LAYOUT)
    wanted = target / "wheels.txt"
    wanted.write_text("".join(f"{store.path(one)} --hash=sha256:{one.sha256}\n" for one in wheels))
    pip = ["-m", "pip", "install", "--no-index", "--no-deps", "--require-hashes", "--no-cache-dir", "-q"]
    _run([str(target / "bin/python"), *pip, "-r", str(wanted)], INSTALL_LIMIT_S, Why.DAMAGED)
    _probe(target, release.version)
    os.sync()
    write_atomically(places.manifest(release.version), write_release(release))


def _probe(target: Path, version: str) -> None:
    """Does it start at all, and is it what it says it is?"""
    said = _run([str(target / "bin/diemcau-agent"), "--version"], PROBE_LIMIT_S, Why.DOES_NOT_START)
    if said.split()[-1:] != [version]:
        raise Trouble(Why.DOES_NOT_START, f"it says of itself that it is {said.strip()[:80]!r}")
    _run([str(target / "bin/python"), "-c", _PROBE], PROBE_LIMIT_S, Why.DOES_NOT_START)


def _run(command: Sequence[str], limit_s: float, why: Why) -> str:
    """Run a program of the new environment: what it printed. It gets nothing of our environment."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PIP_CONFIG_FILE": os.devnull},
        )
    except subprocess.TimeoutExpired:
        raise Trouble(why, f"{Path(command[0]).name} was not done within {limit_s:.0f} s") from None
    except OSError as error:
        raise Trouble(why, f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise Trouble(Why.DISK_FULL if _NO_SPACE in said else why, said[-400:] or f"exit {done.returncode}")
    return done.stdout
