"""Rows of part `image`: another system goes into the other slot; one that somebody else signed is refused;
one that breaks the room is left by itself."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from tests.lab.machine import MachineFailed
from tests.lab.report import Evidence, NotShown

from .boot import Hall, Show
from .from_outside import counted
from .way_in import WayIn, way_in

ROWS = [
    "looked at from inside",
    "a signed system goes into the other slot, and is kept when the room works with it",
    "a system signed by somebody else is refused",
    "a system that breaks the room is left by itself",
]
_LOOK = {
    "failed": "systemctl --failed --no-legend --plain",
    "listens": "ss -Hltun",
    "mounts": "findmnt -lno TARGET,FSTYPE,OPTIONS | grep -v cgroup",
    "written": "find / -xdev -newer /proc/1 -type f 2>/dev/null | head -20",
    "swap": "swapon --show --noheadings",
    "watchdog": "systemctl show -p RuntimeWatchdogUSec -p WatchdogDevice; wdctl 2>&1 | head -5",
    "time": "systemd-analyze; systemd-analyze blame | head -25",
    "chain": "systemd-analyze critical-chain diemcau-screen.service",
    "journal": "journalctl -b -p warning --no-pager | tail -60",
    "shells": "systemctl list-units --all --plain --no-legend *getty*",
    "unit": "journalctl -b --no-pager -o short-precise -u diemcau-unit -u diemcau-media@* | tail -80",
    "memory": "free -m; df -h / /data /run /var",
}
_BOOT_LIMIT_S, _LEAVE_LIMIT_S = 900, 1800


def shows(bundles: dict[str, Path]) -> dict[str, Show]:
    """Every row, with how it is shown. `bundles`: `good`, `broken` and `foreign`."""
    return {
        ROWS[0]: inside,
        ROWS[1]: partial(good, bundle=bundles["good"]),
        ROWS[2]: partial(foreign, bundle=bundles["foreign"]),
        ROWS[3]: partial(broken, bundle=bundles["broken"]),
    }


def called(hall: Hall) -> tuple[Path, str]:
    return hall.stage.root, str(hall.unit()["id"])


def inside(hall: Hall, evidence: Evidence) -> str:
    with way_in(*called(hall)) as box:
        said = {name: box.run(command, check=False) for name, command in _LOOK.items()}
    evidence.json("looks", said)
    evidence.text("all", "\n".join(f"== {name}\n{text}" for name, text in said.items()))
    open_ports = [
        line for line in said["listens"].splitlines() if "127.0.0." not in line and "[::1]" not in line
    ]
    if said["failed"].strip() or open_ports:
        raise NotShown(f"failed: {said['failed'].split()}; listens: {open_ports}")
    return "no service failed, nothing listens"


def slot(box: WayIn) -> str:
    words = box.run("cat /proc/cmdline").split()
    return next(word.partition("=")[2] for word in words if word.startswith("rauc.slot="))


def install(box: WayIn, bundle: Path) -> str:
    """Install it, to be started next; gives what RAUC says. Raises :class:`MachineFailed`."""
    box.bring(bundle, "/data/system.raucb")
    try:
        said = box.run("rauc install /data/system.raucb 2>&1", limit_s=1800)
        return said + box.run("rauc status mark-active other 2>&1")
    finally:
        box.run("rm -f /data/system.raucb")


def foreign(hall: Hall, evidence: Evidence, bundle: Path) -> str:
    with way_in(*called(hall)) as box:
        before = slot(box)
        box.bring(bundle, "/data/system.raucb")
        said = box.run("rauc install /data/system.raucb", check=False, limit_s=900)
        evidence.text("said", said)
        box.run("rm -f /data/system.raucb")
        order = box.run("grub-editenv /boot/efi/EFI/BOOT/grubenv list")
    if "signature" not in said.lower() or f"ORDER={before}" not in order:
        raise NotShown(said[-300:])
    return f"{said.strip().splitlines()[-1][-160:]}; {before} stays first"


def good(hall: Hall, evidence: Evidence, bundle: Path) -> str:
    with way_in(*called(hall)) as box:
        before, began = slot(box), time.monotonic()
        evidence.text("said", install(box, bundle))
        took = time.monotonic() - began
        hall.leave(partial(box.run, "systemctl reboot", check=False))
    state = after_reboot(hall, evidence)
    if state["slot"] == before or f"{state['slot']}_OK=1" not in state["env"]:
        raise NotShown(f"{state}")
    return f"installed in {took:.0f} s; {before} before, {state['slot']} now, kept"


def broken(hall: Hall, evidence: Evidence, bundle: Path) -> str:
    with way_in(*called(hall)) as box:
        before = slot(box)
        evidence.text("said", install(box, bundle))
        hall.leave(partial(box.run, "systemctl reboot", check=False))
    began, other = time.monotonic(), "B" if before == "A" else "A"
    left = partial(counted, hall.box.disk)
    hall.until(lambda: left().get(f"{other}_OK") == "0", _LEAVE_LIMIT_S, "it is not left")
    state = after_reboot(hall, evidence)
    if state["slot"] != before or f"{other}_OK=0" not in state["env"]:
        raise NotShown(f"{state}")
    return f"back in {before} {time.monotonic() - began:.0f} s after the restart; {other} is marked"


def after_reboot(hall: Hall, evidence: Evidence) -> dict[str, str]:
    """Wait until the box is back and the boot loader was told how it went; gives `slot` and `env`."""

    def told() -> dict[str, str]:
        if not hall.is_back():
            return {}
        try:
            with way_in(*called(hall)) as box:
                here = slot(box)
                env = box.run("grub-editenv /boot/efi/EFI/BOOT/grubenv list")
        except (MachineFailed, OSError):
            return {}
        evidence.json("state", {"slot": here, "env": env})
        return {"slot": here, "env": env} if f"{here}_TRY=0" in env else {}

    found: dict[str, str] = hall.until(told, _BOOT_LIMIT_S, "it does not come back, or is not judged")
    hall.box.shown(evidence.path("png"))
    return found
