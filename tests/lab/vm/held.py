"""A guest that is held open when all is shown, to mend what was not: see docs/lab.md."""

from __future__ import annotations

import importlib
import time

from tests.lab.report import ROOT, Report

from . import acts, faults
from .real_hall import RealHall

HOLD, AGAIN = ROOT / ".lab/hold", ROOT / ".lab/again"


def hold(hall: RealHall) -> None:
    """As long as the file .lab/hold is there, rounds whose names are written into .lab/again are brought
    about anew, by the lab's code as it is then."""
    while HOLD.exists():
        hall.stage.tend()
        time.sleep(1)
        try:
            names = AGAIN.read_text().split()
            AGAIN.unlink()
            importlib.reload(acts)
            importlib.reload(faults)
        except FileNotFoundError:
            continue
        except (SyntaxError, NameError, ImportError, TypeError) as error:
            print(f"  the lab's code cannot be used: {error}", flush=True)
            continue
        _again(hall, names)


def _again(hall: RealHall, names: list[str]) -> None:
    report = Report("faults")
    for name in names:
        if name not in faults.ROUNDS:
            print(f"  there is no {name}", flush=True)
            continue
        for fault in faults.ROUNDS[name]:
            report.rows.pop(fault.name, None)
        faults.bring_about(report, hall, name)
    report.rows.pop(faults.PAIRS, None)
    report.show(faults.PAIRS, lambda evidence: faults.pairs(report, evidence))
    report.verdict(faults.ROWS)
