#!/usr/bin/env python3
"""A folder from which a distribution of ours is installed with no index: `tools/wheelhouse.py NAME FOLDER`.

NAME is diemcau-controller or diemcau-agent. Writes into FOLDER the wheels of all it needs, as pinned in
requirements.lock, of our own distributions built from this tree, and `requirements.txt` with every hash:

    pip install --no-index --require-hashes --find-links FOLDER -r FOLDER/requirements.txt

For this machine's Python and kind of processor; run it with the tree's own environment (.venv/bin/python).
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[1]
OURS = {"diemcau-wire": "wire", "diemcau-agent": "agent", "diemcau-controller": "controller"}
_EPOCH = "1767225600"  # 2026-01-01: the same tree gives the same bytes


def needed(name: str) -> set[str]:
    """The distribution and all it needs here, by canonical name."""
    found: set[str] = set()
    ahead: list[tuple[str, frozenset[str]]] = [(canonicalize_name(name), frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while ahead:
        one = ahead.pop()
        if one in seen:
            continue
        seen.add(one)
        found.add(one[0])
        for text in _told(one[0]):
            requirement = Requirement(text)
            extras = one[1] or {""}
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in extras):
                ahead.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def _told(name: str) -> list[str]:
    """What a distribution says it needs; one of ours in the tree itself, which may be newer than what is
    installed of it."""
    if name not in OURS:
        return requires(name) or []
    project = tomllib.loads((ROOT / OURS[name] / "pyproject.toml").read_text())["project"]
    return list(project["dependencies"])


def pinned(lock: str, names: set[str]) -> str:
    """Those entries of the lock, with their hashes."""
    entries = re.findall(r"^[A-Za-z0-9].*?(?=^[A-Za-z0-9]|\Z)", lock, flags=re.MULTILINE | re.DOTALL)
    return "".join(entry for entry in entries if canonicalize_name(re.split(r"[ ;=\[]", entry)[0]) in names)


def make(name: str, folder: Path) -> None:
    """Fill the folder; what lies in it of another time is removed."""
    names = needed(name)
    lock = pinned((ROOT / "requirements.lock").read_text(), names)
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=folder) as fresh:
        (Path(fresh) / "lock").write_text(lock)
        fetch = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        known = ["--find-links", str(folder), "-r", f"{fresh}/lock", "-d", fresh]
        # when the folder has all of it already, nobody is asked
        if subprocess.run([*pip, *fetch, "--no-index", *known], capture_output=True, check=False).returncode:
            subprocess.run([*pip, *fetch, *known], check=True)
        sources = [str(ROOT / OURS[one]) for one in sorted(names & OURS.keys())]
        build = ["wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-cache-dir"]
        env = {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH}
        subprocess.run([*pip, *build, "-w", fresh, *sources], check=True, env=env)
        wheels = sorted(Path(fresh).glob("*.whl"))
        own = ""
        for wheel in wheels:
            project, version, _, _ = parse_wheel_filename(wheel.name)
            if project in OURS:
                digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
                own += f"{project}=={version} \\\n    --hash=sha256:{digest}\n"
        for old in folder.glob("*.whl"):
            old.unlink()
        for wheel in wheels:
            wheel.replace(folder / wheel.name)
        (folder / "requirements.txt").write_text(lock + own)


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in OURS:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    if (
        sys.argv[1] == "diemcau-controller"
        and not (ROOT / "controller/diemcau_controller/web/static/built/manifest.json").exists()
    ):
        print("The page's files are not built: run `make setup` first.", file=sys.stderr)  # noqa: T201
        return 3
    try:
        make(sys.argv[1], Path(sys.argv[2]))
    except PackageNotFoundError as error:
        print(f"{error.name} is not installed here: run `make setup` first.", file=sys.stderr)  # noqa: T201
        return 3
    except subprocess.CalledProcessError as error:
        print(f"pip failed ({error.returncode}): nothing was changed.", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
