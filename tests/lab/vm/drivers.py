"""Part `drivers`: the contract suites of devices on the kernel's own drivers."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.lab.report import Evidence, NotShown, Report

from .acts import TV
from .guest import IN_REPO
from .real_hall import CAMERA, RealHall

SUITE_LIMIT_S = 900
_PYTEST = "python -m pytest -p no:cacheprovider -q -rs --timeout=300"
SUITES = {
    "cameras on V4L2 (vivid)": (
        f"DIEMCAU_V4L2=v4l2:{CAMERA.rpartition('/')[2]} {_PYTEST} tests/contract/test_cameras.py -k v4l2"
    ),
    "television on CEC (vivid, cec-follower)": (
        f"{TV} DIEMCAU_TV_CEC=$tv DIEMCAU_UNIT_CEC=$unit {_PYTEST} tests/contract/test_televisions.py -k real"
    ),
    "keypad on evdev (uinput)": f"{_PYTEST} tests/contract/test_buttons.py",
}
ROWS = list(SUITES)
_AGENT = "diemcau-unit diemcau-screen diemcau-media.socket lab-television"
_ENDED = re.compile(r"(\d+) passed.* in [\d.]+s")


def run(report: Report, hall: Callable[[], RealHall]) -> list[str]:
    """Show every row; gives their names. The hall's own agent is stopped meanwhile: one holds a device."""
    if report.done(*ROWS):
        return ROWS
    guest = hall().guest
    guest.run(f"systemctl stop {_AGENT}")
    try:
        for name in ROWS:
            report.show(name, lambda evidence, one=name: suite(hall(), one, evidence))
    finally:
        guest.run(f"systemctl start {_AGENT}", limit_s=200)
    return ROWS


def suite(hall: RealHall, name: str, evidence: Evidence) -> str:
    """One suite; all of it has to pass. Raises :class:`NotShown`."""
    said = hall.guest.run(IN_REPO + SUITES[name], check=False, limit_s=SUITE_LIMIT_S)
    evidence.text("pytest", said)
    last = said.strip().splitlines()[-1:] or ["nothing was said"]
    ended = _ENDED.search(last[0])
    if ended is None or "failed" in last[0] or "error" in last[0]:
        raise NotShown(last[0])
    return last[0].strip("= ")
