"""Rows of part `image`: two builds are equal, and none is made that has an identity.

The first is the one that `build` made. The second is of the same release, from the same cache of packages, in
another folder, under another host name, and by a clock that is some days ahead (programs in the tree go by
this machine's; between the builds lie minutes). It ends where the root is written: the disk around it holds
nothing that a build could differ in.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from firmware import __main__ as program
from firmware import build as building
from firmware import disk, tree
from firmware.trouble import CannotBuild
from tests.lab.report import ROOT, Evidence, NotShown, Report

from .release import FIRST, FOLDER

ROWS = [
    "two builds in different folders, under different names and clocks are equal",
    "a private key ends the build",
    "a machine-id ends the build",
    "a password ends the build",
]
CACHE = ROOT / ".image/cache"
_AHEAD = "+77h"
_KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v\n-----END PRIVATE KEY-----\n"
_PLANTS = {
    ROWS[1]: ("usr/lib/diemcau/left.pem", _KEY, "a private key"),
    ROWS[2]: ("etc/machine-id", "0123456789abcdef0123456789abcdef\n", "a machine-id"),
    ROWS[3]: (
        "etc/shadow",
        "root:*:20000:0:99999:7:::\ntech:$y$j9T$abc$def:20000:0:99999:7:::\n",
        "a password of tech",
    ),
}


def run(report: Report, image: Path) -> list[str]:
    """Show every row; gives their names. `image` was made of this tree."""
    if report.done(*ROWS):
        return ROWS
    with tempfile.TemporaryDirectory(prefix="same-", dir=FOLDER) as scratch:
        folder = Path(scratch, "elsewhere")
        report.show(ROWS[0], lambda evidence: equal(evidence, image, folder))
        for name, (path, text, what) in _PLANTS.items():
            report.show(name, lambda _e, p=path, t=text, w=what: refused(folder / "tree", p, t, w))  # type: ignore[misc]
    return ROWS


def equal(evidence: Evidence, image: Path, folder: Path) -> str:
    """Build once more, and compare."""
    said = json.loads(image.with_suffix(".json").read_text())["root_sha256"]
    around = ["unshare", "--uts", "sh", "-c", 'hostname other; exec "$@"', "sh", "faketime", "-f", _AHEAD]
    command = [*around, sys.executable, "-m", "tests.lab.image.same", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    evidence.text("build", done.stdout + done.stderr)
    if done.returncode != 0:
        raise NotShown(f"the build ended with {done.returncode}: {done.stderr[-300:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    evidence.json("builds", [said, found])
    if found["root_sha256"] != said:
        evidence.text("differences", _differences(folder / "tree", image.with_suffix(".squashfs"), folder))
        raise NotShown(f"{said} and {found}")
    return f"root_sha256 {said[:16]}… twice; the second on «{found['host']}» at {found['clock']}"


def refused(grown: Path, path: str, text: str, what: str) -> str:
    """The rest of a build over a tree that stands, with something planted among the product's own files."""
    if not grown.exists():
        raise NotShown("there is no tree: the first build failed")
    with tempfile.TemporaryDirectory(prefix="planted-") as scratch:
        system = Path(scratch, "system")
        shutil.copytree(tree.SYSTEM, system, symlinks=True)
        (system / path).parent.mkdir(parents=True, exist_ok=True)
        (system / path).write_text(text)
        before = {one: (grown / one).read_bytes() for one in (path,) if (grown / one).exists()}
        with _standing(grown, system), tempfile.TemporaryDirectory(prefix="out-", dir=grown.parent) as out:
            try:
                building.build(plan(), building.Office(), CACHE, Path(out))
            except CannotBuild as error:
                said = str(error)
            else:
                raise NotShown("it was built")
            finally:
                (grown / path).unlink(missing_ok=True)
                for one, content in before.items():
                    (grown / one).write_bytes(content)
    if f"/{path}: {what}" not in said:
        raise NotShown(said)
    return f"«{said[:200]}»"


@contextmanager
def _standing(grown: Path, system: Path) -> Iterator[None]:
    """A build in which Debian and the playbook are done already, and the product's own files are others."""

    def debian(place: Path, *_: object) -> None:
        place.symlink_to(grown)

    with (
        mock.patch.object(tree, "SYSTEM", system),
        mock.patch.object(building, "debian", debian),
        mock.patch.object(building, "provision", lambda *_: None),
        mock.patch.object(building, "initial_disk", lambda *_: None),
        mock.patch.object(building, "compile_python", lambda *_: None),
    ):
        yield


def plan() -> tree.Plan:
    """As `python -m firmware build` makes it of the lab's first release."""
    parser = program._parser()
    return program._plan(
        parser.parse_args(["build", "--state-dir", str(FOLDER / "office"), "--version", FIRST])
    )


def grow(folder: Path) -> dict[str, object]:
    """Build as the product does, as far as the root; the tree is left for a look."""
    folder.mkdir(parents=True)
    kept, root = folder / "tree", folder / "root.squashfs"

    def write(plan: tree.Plan, _office: object, grown: Path, *_: object) -> Path:
        disk.squashfs(grown, root, plan.epoch)
        grown.rename(kept)
        return root

    with mock.patch.object(building, "_write", write):
        building.build(plan(), building.Office(), CACHE, folder)
    return {
        "root_sha256": building.sha256(root),
        "folder": str(folder),
        "host": os.uname().nodename,
        "clock": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
    }


def _differences(grown: Path, squashfs: Path, folder: Path) -> str:
    """Which files differ, by content."""
    other = folder / "other"
    subprocess.run(["unsquashfs", "-quiet", "-no-progress", "-dest", other, squashfs], check=True)
    command = ["diff", "--recursive", "--brief", "--no-dereference", str(grown), str(other)]
    return subprocess.run(command, capture_output=True, text=True).stdout[-20_000:]


if __name__ == "__main__":
    print(json.dumps(grow(Path(sys.argv[1]))))
