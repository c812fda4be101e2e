"""Bring up the line that a boot file or a paper names, through NetworkManager: run by a service with the
rights to (`agent/systemd/diemcau-network.service`), because the unit has none.

`python -m diemcau_agent.network_line FILE`, where FILE is JSON {`ssid`, `password`, `apn`}; it is removed.
Exit codes: 0 done, 1 failed, 3 there is no NetworkManager.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

log = logging.getLogger(__name__)

WIFI, MOBILE = "diemcau-wifi", "diemcau-mobile"
MAX_BYTES = 2000
_LIMIT_S = 60


def commands(request: bytes) -> list[list[str]]:
    """The commands for a request, for each line one that forgets the former one and one that makes it anew.

    Raises ValueError for anything that is not a request.
    """
    if len(request) > MAX_BYTES:
        raise ValueError("too long")
    document = json.loads(request)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    ssid, password, apn = (_text(document.get(key, "")) for key in ("ssid", "password", "apn"))
    found: list[list[str]] = []
    if ssid:
        add = ["nmcli", "connection", "add", "type", "wifi", "con-name", WIFI, "ssid", ssid]
        secured = ["wifi-sec.key-mgmt", "wpa-psk", "wifi-sec.psk", password] if password else []
        found += [["nmcli", "connection", "delete", WIFI], [*add, *secured]]
    if apn:
        add = ["nmcli", "connection", "add", "type", "gsm", "ifname", "*", "con-name", MOBILE, "apn", apn]
        found += [["nmcli", "connection", "delete", MOBILE], add]
    if not found:
        raise ValueError("it names no line")
    return found


def main() -> int:
    """Carry out one request."""
    path = Path(sys.argv[1])
    request = path.read_bytes()
    path.unlink()
    try:
        wanted = commands(request)
    except (ValueError, RecursionError) as error:
        log.error("no such line: %s", error)
        return 1
    code = 0
    for command in wanted:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
        except FileNotFoundError:
            log.error("NetworkManager is not there: lines are set up by hand on this machine")
            return 3
        except subprocess.TimeoutExpired:
            log.error("NetworkManager does not answer")
            return 1
        if done.returncode and command[2] != "delete":  # there may be none to forget
            log.error("NetworkManager refuses: %s", done.stderr.strip()[:300])
            code = 1
    return code


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 100 or not value.isprintable() or value.startswith("-"):
        raise ValueError("not a name")
    return value


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main())
