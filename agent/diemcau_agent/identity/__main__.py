"""Run it: `python -m diemcau_agent.identity enrol|renew --state-dir DIR`, a listening socket as descriptor 3.

`enrol` goes on until this box is a unit, or was told that it is none any more. `renew` asks once, when it is
time to or with `--anyway`. Exit codes: 0 done, 1 the unit process is gone, 2 usage.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import socket
import sys
from pathlib import Path

from diemcau_wire.logs import log_to_stderr

from diemcau_agent.ipc import inherited, listens
from diemcau_agent.lifetime import die_with_parent
from diemcau_agent.unit.fingerprints import SERIAL, look, sysfs
from diemcau_agent.unit.state_folder import StateFolder

from .talk import Talk, UnitGone

log = logging.getLogger("diemcau_agent.identity")


def main() -> int:
    """Do what the command says and tell the unit process."""
    die_with_parent()
    parser = argparse.ArgumentParser(prog="diemcau_agent.identity", description="How a box becomes a unit.")
    parser.add_argument("command", choices=("enrol", "renew"))
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--anyway", action="store_true", help="ask though the certificate is good for long")
    given = parser.parse_args()
    log_to_stderr(process="identity")
    os.umask(0o077)
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.nice(5)  # a meeting may run meanwhile
    folder = StateFolder(given.state_dir)
    try:
        sock = _unit()
    except OSError as error:
        log.error("no listening socket as descriptor 3: %s", error)
        return 2
    marks = look(folder.root, sysfs(), SERIAL)
    talk = Talk(sock)
    try:
        if given.command == "renew":
            from .renew import renew

            talk.tell(renew(folder, marks, anyway=given.anyway))
        else:
            from .enrol import Enrolment

            Enrolment(folder, talk, marks).run()
    except UnitGone as error:
        log.warning("the unit process is gone: %s", error)
        return 1
    return 0


def _unit() -> socket.socket:
    """The unit process, which connects as soon as it has started us."""
    listening = inherited()
    if not listens(listening):
        raise OSError("it does not listen")
    with listening:
        listening.settimeout(30)
        sock, _ = listening.accept()
    sock.setblocking(True)
    return sock


if __name__ == "__main__":
    sys.exit(main())
