"""Dial the coordinator for as long as the unit process wants it, or because that keeps crashing.

    python -m diemcau_agent.tunnel

Started by systemd (`agent/systemd/diemcau-tunnel.service`) when the unit process has written its wish, and
now and then to look whether it keeps crashing. Without a reason to dial it ends at once. Exit 0, or 1 when
it cannot be done.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from diemcau_wire import Refused
from diemcau_wire.enrolment import Reach, take
from diemcau_wire.logs import log_to_stderr

from diemcau_agent.rules.dialling import Health, asked_until, dial_until, keeps_crashing, read_health
from diemcau_agent.this_boot import booted_s
from diemcau_agent.unit.supervise import Pauses

from .line import Place, command

log = logging.getLogger("diemcau_agent.tunnel")

UNIT_SERVICE = "diemcau-unit.service"
_LOOK_S = 2.0
_ENDS_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Reasons:
    """Where to look why it should dial: what the unit process wrote, and how often it was restarted when we
    looked last."""

    asked: Path
    restarts: Path

    def asked_until(self) -> float | None:
        """Until when the unit process wants the line."""
        try:
            return asked_until(self.asked.read_bytes(), booted_s())
        except OSError:
            return None

    def until(self) -> float | None:
        """Until when to dial, as it stands now; None: not at all."""
        health = _health()
        crashing = False
        if health is not None:
            crashing = keeps_crashing(self._before(), health)
            self.restarts.write_text(str(health.restarts))
        if crashing:
            log.warning("the unit process keeps crashing: dialling for rescue")
        return dial_until(self.asked_until(), crashing, booted_s())

    def _before(self) -> int:
        try:
            return int(self.restarts.read_text())
        except (OSError, ValueError):
            return 0


def keep(argv: list[str], until_s: float, reasons: Reasons) -> None:
    """Have the line, dialled again whenever it breaks, until it is over; more may be asked for meanwhile."""
    pauses = Pauses(random.random, first_s=1, longest_s=30)
    while booted_s() < until_s:
        began = time.monotonic()
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as ssh:
            try:
                while ssh.poll() is None and booted_s() < until_s:
                    try:
                        ssh.wait(_LOOK_S)
                    except subprocess.TimeoutExpired:
                        until_s = max(until_s, reasons.asked_until() or 0.0)
            finally:
                _end(ssh)
        lived_s = time.monotonic() - began
        log.info("line ended", extra={"exit": ssh.returncode, "lived_s": round(lived_s, 1)})
        left_s = until_s - booted_s()
        if left_s > 0:
            time.sleep(min(left_s, pauses.after(lived_s)))


def _end(ssh: subprocess.Popen[bytes]) -> None:
    ssh.terminate()
    try:
        ssh.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        ssh.kill()


def _health() -> Health | None:
    show = ["systemctl", "show", UNIT_SERVICE, "--property=NRestarts", "--property=ActiveState"]
    try:
        done = subprocess.run(show, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("how the unit process does is not known", extra={"error": str(error)})
        return None
    return read_health(done.stdout)


def _stop(*_: object) -> None:
    raise SystemExit(0)


def _given() -> argparse.Namespace:
    secrets, own = os.environ.get("CREDENTIALS_DIRECTORY", "."), os.environ.get("RUNTIME_DIRECTORY", ".")
    parser = argparse.ArgumentParser(prog="diemcau-tunnel", description="Dial the coordinator when asked to.")
    parser.add_argument("--reach", type=Path, default=Path(secrets, "reach"), help="where and how")
    parser.add_argument("--key", type=Path, default=Path(secrets, "key"), help="the unit's SSH host key")
    parser.add_argument("--folder", type=Path, default=Path(own), help="for files of its own")
    parser.add_argument("--asked", type=Path, default=Path("/run/diemcau/reach/asked"))
    parser.add_argument("--sshd", type=Path, default=Path("/run/diemcau-ssh/sshd.sock"))
    return parser.parse_args()


def main() -> int:
    """Dial if there is a reason to."""
    given = _given()
    log_to_stderr()
    signal.signal(signal.SIGTERM, _stop)
    reasons = Reasons(given.asked, given.folder / "restarts")
    try:
        until_s = reasons.until()
        if until_s is None:
            return 0
        reach = take(Reach, given.reach.read_bytes())
        argv = command(reach, Place(given.key, given.folder, given.sshd))
        log.info("dialling", extra={"host": reach.host, "port": reach.port})
        keep(argv, until_s, reasons)
    except Refused as error:
        log.error("%s does not say how to dial: %s", given.reach, error)
        return 1
    except OSError as error:
        log.error("cannot dial: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
