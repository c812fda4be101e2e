"""Rows of part `image`: what happens to a box over the years. It idles, hangs, is copied, is
damaged, leaves service."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from firmware.layout import CONFIG, DATA_LABEL, IN_IMAGE, MIB, starts_mib
from tests.lab.report import ROOT, Evidence, NotShown

from .boot import Hall, Show, boot_file
from .box import Box
from .from_outside import counted, table
from .slots import called
from .way_in import way_in

ROWS = [
    "a system that hangs is started again by the watchdog",
    "two boxes with one disk are seen to be copies",
    "an idle box spares its disk",
    "a damaged data partition is mended",
    "a box that is retired is a new one",
    "a data partition that cannot be mended makes it a new one",
]
REST_S, IDLE_S = 60, 300
_BOOT_LIMIT_S = 900
_DAY_S = 86_400
_COPY_NUMBER, _COPY_IP = 3, "203.0.113.4"


def idles(hall: Hall, evidence: Evidence) -> str:
    """Count what is written while nothing goes on, from outside."""
    hall.until(hall.settled, 120, "it is not at rest")
    hall.stage.pause(REST_S, time.monotonic() + REST_S)
    counts = [hall.box.written()]
    for _ in range(IDLE_S // 60):
        hall.stage.pause(60, time.monotonic() + 60)
        counts.append(hall.box.written())
    evidence.json("bytes", counts)
    written = counts[-1] - counts[0]
    return (
        f"{written / 1024:.0f} KiB in {IDLE_S // 60} minutes, "
        f"{written * _DAY_S / IDLE_S / MIB:.0f} MiB in a day of 24 hours like these"
    )


def hangs(hall: Hall, evidence: Evidence) -> str:
    """The kernel stops and is told to stay so: what starts the box again is not the kernel."""
    with way_in(*called(hall)) as box:
        evidence.text("watchdog", box.run("wdctl; systemctl show -p RuntimeWatchdogUSec", check=False))
        before = counted(hall.box.disk)
        now = time.monotonic()
        hall.leave(lambda: None)
        box.run(
            "echo 0 >/proc/sys/kernel/panic; echo 1 >/proc/sys/kernel/sysrq; "
            'systemd-run --quiet sh -c "sleep 2; echo c >/proc/sysrq-trigger"'
        )
    slot = before["ORDER"].split()[0]
    if before[f"{slot}_TRY"] != "0":
        raise NotShown(f"the boot loader counts already: {before}")
    hall.until(
        lambda: counted(hall.box.disk).get(f"{slot}_TRY") not in (None, "0"), 400, "it is not started again"
    )
    started_s = time.monotonic() - now
    hall.until(hall.is_back, _BOOT_LIMIT_S, "it does not come back")
    took = time.monotonic() - now
    return f"its boot loader runs {started_s:.0f} s after the kernel stopped, it is online {took:.0f} s after"


def copied(hall: Hall, evidence: Evidence) -> str:
    """Its disk is copied while it is off; then it is switched on again, and the copy beside it."""
    hall.leave(hall.box.stop)
    copy = Box(hall.box.folder.with_name("copy"), uplink=_second_line(), number=_COPY_NUMBER)
    copy.copy_of(hall.box)
    copy.rewrite(boot_file(hall.stage).replace("203.0.113.2/", f"{_COPY_IP}/"))
    try:
        hall.box.start()
        hall.until(hall.is_back, _BOOT_LIMIT_S, "the box does not come back")
        copy.start()
        began = time.monotonic()
        found = hall.until(
            lambda: hall.stage.api.get("/api/v1/clones"), _BOOT_LIMIT_S, "the copy is not noticed"
        )
        took = time.monotonic() - began
        copy.shown(evidence.path("png"))
    finally:
        copy.stop()
        copy.disk.unlink(missing_ok=True)
    evidence.json("clones", found)
    return f"unit {found[0]['unit']}: {found[0]['why']}, {took:.0f} s after the copy was switched on"


def mended(hall: Hall, evidence: Evidence) -> str:
    """The first superblock is gone; ext4 has copies of it."""
    before = hall.unit()["id"]
    hall.leave(hall.box.stop)
    _zero(hall.box.disk, MIB // 16)
    hall.box.start()
    try:
        hall.until(hall.is_back, _BOOT_LIMIT_S, "it does not come back")
    finally:
        hall.box.shown(evidence.path("png"))
    if hall.unit()["id"] != before:
        raise NotShown("it is another unit")
    return f"it is unit {before} as before"


def retired(hall: Hall, evidence: Evidence) -> str:
    """retire.yml, as an administrator runs it. It has no line then, and is given a file anew."""
    unit, disk = str(hall.unit()["id"]), hall.box.disk
    with way_in(*called(hall)) as box:
        inventory = hall.stage.root / "retire.ini"
        inventory.write_text(f'[units]\n{unit} ansible_ssh_common_args="-F {box.configuration}"\n')
        words = ["-i", inventory, "retire.yml", "-e", "expected_hosts=1", "-e", f"retire={unit}"]
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", *words],
            cwd=ROOT / "playbooks",
            capture_output=True,
            text=True,
            timeout=900,
        )
        evidence.text("retire", done.stdout + done.stderr)
    if done.returncode != 0:
        raise NotShown(f"retire.yml ended with {done.returncode}")
    at = starts_mib()[IN_IMAGE.index(CONFIG)] * MIB
    read = ["mtype", "-i", f"{disk}@@{at}", "::diemcau.toml"]

    def blank() -> bool:
        said = subprocess.run(read, capture_output=True).stdout
        return bool(said) and not re.search(rb"^(address|roots|contact|ip|\[network\])", said, re.MULTILINE)

    hall.until(blank, _BOOT_LIMIT_S, "its drive still says where it was")
    picture = evidence.path("first.png")
    hall.stage.pause(60, time.monotonic() + 60)
    hall.box.shown(picture)
    hall.box.stop()
    hall.box.rewrite(boot_file(hall.stage))
    return _new_box(hall, evidence)


def made_anew(hall: Hall, evidence: Evidence) -> str:
    """Nothing of the file system is left."""
    hall.box.stop()
    _zero(hall.box.disk, table(hall.box.disk)[DATA_LABEL].size)
    return _new_box(hall, evidence)


SHOWS: dict[str, Show] = dict(zip(ROWS, (hangs, copied, idles, mended, retired, made_anew), strict=True))


def _new_box(hall: Hall, evidence: Evidence) -> str:
    began, former = time.monotonic(), hall.code
    hall.box.start()
    hall.code = hall.until(
        partial(hall.box.code, evidence.path("png")), _BOOT_LIMIT_S, "it does not show a code"
    )
    if hall.code == former:
        raise NotShown("it shows the code it had")
    return f"{hall.code} on its screen {time.monotonic() - began:.0f} s after it was switched on"


def _second_line() -> str:
    """A second cable of the hall's network; gives its name."""
    name = "hall1"
    for words in (
        ("tuntap", "add", "dev", name, "mode", "tap"),
        ("link", "set", name, "master", "line0", "up"),
    ):
        subprocess.run(["ip", *words], check=True)
    return name


def _zero(disk: Path, size: int) -> None:
    """Make the beginning of the data partition empty."""
    start = table(disk)[DATA_LABEL].start
    command = ["fallocate", "--punch-hole", "--offset", str(start), "--length", str(size), str(disk)]
    subprocess.run(command, check=True)
