"""Whole systems made up for tests: a bundle (RAUC) of a few kilobytes, really signed; needs `rauc`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from firmware import bundles


def make_bundle(folder: Path, version: str, arch: str = "amd64", keys: str = "system-keys") -> Path:
    """A bundle that holds nothing that starts, by the key in the folder `keys`, which is made once."""
    pair = folder / keys
    if not pair.exists():
        bundles.make_key(pair)
    tree = folder / f"tree-{version}"
    tree.mkdir(exist_ok=True)
    (tree / "nothing").write_bytes(os.urandom(20_000))
    root = folder / f"{version}-{arch}.squashfs"
    argv = ["mksquashfs", str(tree), str(root), "-noappend", "-quiet", "-no-progress", "-all-root"]
    subprocess.run(argv, check=True, capture_output=True)
    return bundles.bundle(root, version, arch, pair, folder / f"{keys}-{version}-{arch}.raucb")
