"""Nodes to work with: `python -m tests.lab.fleet shell [NAME …]`; ends with the shell."""

from __future__ import annotations

import os
import subprocess
import sys

from .nodes import Fleet, build


def main() -> int:
    if sys.argv[1:2] != ["shell"]:
        print(__doc__, file=sys.stderr)
        return 2
    build()
    with Fleet() as fleet:
        fleet.start(*(sys.argv[2:] or ["n1"]))
        for node in fleet.nodes.values():
            print(" ".join(node.ssh()))
        return subprocess.run([os.environ.get("SHELL", "/bin/sh")], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
