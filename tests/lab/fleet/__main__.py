"""Part `fleet`: `python -m tests.lab.fleet run [PART …] [--again]`; without a name all of it.

`python -m tests.lab.fleet shell [NAME …]` gives nodes to work with; they end with the shell.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys

from tests.lab.report import Report

from .nodes import Fleet, NodeFailed, build

PARTS = ("coordinator", "units", "meetings", "whole")
LOOKED_AT = ("agent", "wire", "controller", "playbooks", "tools", "tests/lab/fleet")


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if words[:1] == ["shell"]:
        return shell(words[1:] or ["n1"])
    parts = words[1:] or list(PARTS)
    if words[:1] != ["run"] or not set(parts) <= set(PARTS):
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the nodes, too
    report, rows = Report("fleet", again="--again" in sys.argv, looked_at=LOOKED_AT), []
    try:
        build()
        modules = [importlib.import_module(f"tests.lab.fleet.{part}") for part in parts]
        folders = [module.prepare() for module in modules]  # what is fetched, while there is a way out
        with Fleet() as fleet:
            for module, folder in zip(modules, folders, strict=True):
                print(f"── {module.__name__}", flush=True)
                rows += module.run(report, fleet, folder)
    except NodeFailed as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0 if report.verdict(rows) else 1


def shell(names: list[str]) -> int:
    """A shell beside bare nodes."""
    build()
    with Fleet() as fleet:
        fleet.start(*names)
        for node in fleet.nodes.values():
            print(" ".join(node.ssh()))
        return subprocess.run([os.environ.get("SHELL", "/bin/sh")], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
