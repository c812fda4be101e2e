"""What `diemcau.toml` says of the network, as profiles of NetworkManager: run at boot, before it starts.

`python -m diemcau_agent.network_profiles FOLDER [KEPT]` writes them to FOLDER, which is empty at each boot:
so the file alone counts, also when somebody corrects it later. In KEPT, where profiles outlive a restart,
those of the same names are removed: they came from a paper, or from the file as it was. A file that cannot be
understood gives no profile, and the box goes on by cable; what is wrong in it the hall's screen says.
"""

from __future__ import annotations

import logging
import sys
import uuid
from pathlib import Path

from .identity import boot_file
from .identity.boot_file import Network
from .identity.trouble import Trouble

log = logging.getLogger(__name__)

CABLE, WIFI, MOBILE = "diemcau-cable", "diemcau-wifi", "diemcau-mobile"
SUFFIX = ".nmconnection"
_NAMES = uuid.UUID("9c1f6f0e-43d2-4f6e-9d0b-4b1b6f8f2a10")
_LATER = {WIFI: 600, MOBILE: 900}  # a cable that works goes first


def profiles(network: Network) -> dict[str, str]:
    """The text of each profile by its name, in NetworkManager's keyfile format (`nm-settings-keyfile`(5))."""
    found = {}
    if network.ip:
        found[CABLE] = _text(CABLE, "ethernet", "", _static(network))
    if network.ssid:
        # as numbers: a name may hold any bytes
        body = f"[wifi]\nssid={''.join(f'{byte};' for byte in network.ssid.encode())}\n"
        if network.password:
            body += f"\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={_value(network.password)}\n"
        found[WIFI] = _text(WIFI, "wifi", body, "method=auto\n")
    if network.apn:
        found[MOBILE] = _text(MOBILE, "gsm", f"[gsm]\napn={_value(network.apn)}\n", "method=auto\n")
    return found


def main() -> int:
    """Write what the file says; gives the exit code, which is 0 also for a file nobody understands."""
    folder, kept = Path(sys.argv[1]), [Path(word) for word in sys.argv[2:3]]
    try:
        prepared = boot_file.read(boot_file.places())
    except Trouble as trouble:
        log.warning("the boot file is of no use, the cable has to do: %s", trouble)
        return 0
    if prepared is None or prepared.network is None:
        return 0
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in profiles(prepared.network).items():
        for former in kept:
            (former / f"{name}{SUFFIX}").unlink(missing_ok=True)
        path = folder / f"{name}{SUFFIX}"
        path.touch(mode=0o600)  # NetworkManager takes no other, for the passwords in it
        path.write_text(text, encoding="utf-8")
    return 0


def _text(name: str, kind: str, body: str, ipv4: str) -> str:
    head = f"[connection]\nid={name}\nuuid={uuid.uuid5(_NAMES, name)}\ntype={kind}\n"
    metric = f"route-metric={_LATER[name]}\n" if name in _LATER else ""
    # before the profile NetworkManager makes by itself for a cable
    first = "autoconnect-priority=10\n"
    parts = [head + first, body, f"[ipv4]\n{ipv4}{metric}", f"[ipv6]\nmethod=auto\n{metric}"]
    return "\n".join(part for part in parts if part)


def _static(network: Network) -> str:
    gateway = f",{network.gateway}" if network.gateway else ""
    dns = "".join(f"{one.strip()};" for one in network.dns.split(",") if one.strip())
    return f"method=manual\naddress1={network.ip}{gateway}\n" + (f"dns={dns}\n" if dns else "")


def _value(text: str) -> str:
    """As GLib's key files want it: a backslash doubled, blanks by `\\s`, which are stripped otherwise."""
    return text.replace("\\", "\\\\").replace(" ", "\\s")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main())
