"""A guest to work in: `python -m tests.lab.vm build|start|run COMMAND…|shell|screen FILE|stop`.

`run` prints what the command prints and ends as it ends; the checkout is at /repo in the guest.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from .guest import FOLDER, IN_REPO, Guest, GuestFailed

PORT = 2222


def main() -> int:
    what, more = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    guest = Guest(FOLDER / "workbench", port=PORT)
    match what:
        case "build":
            return subprocess.run([Path(__file__).with_name("build.sh"), FOLDER], check=False).returncode
        case "start":
            guest.start()
        case "run":
            command = more[0] if len(more) == 1 else shlex.join(more)
            return subprocess.run([*guest.ssh(), IN_REPO + command], check=False).returncode
        case "shell":
            return subprocess.run([*guest.ssh("-t"), IN_REPO + "exec bash"], check=False).returncode
        case "screen":
            print(guest.screendump(Path(more[0])))
        case "stop":
            guest.stop()
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GuestFailed as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)
