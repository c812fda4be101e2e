"""Part `image`, `cuts`: the plug is pulled at named points of the first start, of an installation and of the
first start of the other slot; each time the box has to come as far as the next point, and in the end to its
coordinator.

Every cut is a line of `.lab/results/image/cuts.jsonl`, over all runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from firmware.layout import DATA_LABEL
from tests.lab.machine import MachineFailed
from tests.lab.report import RESULTS, NotShown, Report

from . import boot
from .boot import Hall
from .from_outside import counted, mounts, table
from .slots import called, slot
from .way_in import way_in

LEDGER = RESULTS / "image/cuts.jsonl"
BUNDLE = "/data/system.raucb"
_LIMIT_S = 900
_KERNEL_S = 8.0  # after the boot loader counted it reads the kernel, and that unpacks itself
_LAID_OUT = 256 << 10


@dataclass(frozen=True, slots=True)
class Point:
    """Where the plug is pulled: when `reached` says so."""

    name: str
    reached: Callable[[], object]


def run(report: Report, hall: Hall, bundle: Path) -> bool:
    """All points, in the order in which a box meets them; gives whether it was there again after each."""
    cutter = Cutter(hall, report.tree)
    try:
        cutter.first_start()
        enrol = "a phone enrols it after all that"
        if not report.show(enrol, partial(boot.enrolled, hall)):
            return False
        cutter.installation(bundle)
        cutter.other_slot()
    except NotShown as error:
        cutter.note(str(error), back=False)
        if hall.box.running:
            hall.box.shown(report.folder / "cuts-failed.png")
        return False
    print(f"image: {summary(LEDGER.read_text())}", flush=True)
    return True


def summary(ledger: str) -> str:
    """All runs in one line."""
    lines = [json.loads(line) for line in ledger.splitlines()]
    lost = [line["point"] for line in lines if not line["back"]]
    points = len({line["point"] for line in lines})
    return f"{len(lines)} cuts at {points} points over all runs, lost: {', '.join(lost) or 'none'}"


class Cutter:
    """Pulls the plug, and writes down what became of it."""

    def __init__(self, hall: Hall, tree: str) -> None:
        self._hall, self._box, self._tree = hall, hall.box, tree
        self._last = ""
        self._began = time.monotonic()

    def first_start(self) -> None:
        """From a flashed disk to the digits."""
        disk, written = self._box.disk, [0]

        def mounted() -> bool:
            if mounts(disk) > 0:
                written[0] = self._box.written()
                return True
            return False

        for point in (
            Point("the boot loader counted the first start", partial(self._counts, "A", "1")),
            Point("the table names all partitions", lambda: DATA_LABEL in table(disk)),
            Point("the data partition is mounted", mounted),
            Point("kept folders are laid out", lambda: self._box.written() > written[0] + _LAID_OUT),
            Point("the screen shows a first picture", self._picture),
        ):
            self._to(point)
        self._hall.code = self._reach(Point("", partial(self._box.code, self._box.folder / "code.png")))
        self.note()

    def installation(self, bundle: Path) -> None:
        """A bundle is installed, again after each cut."""
        with way_in(*called(self._hall)) as box:
            box.bring(bundle, BUNDLE)
            box.run("sync")
        size, before = bundle.stat().st_size, [0]

        def begun() -> bool:
            try:
                with way_in(*called(self._hall)) as box:
                    before[0] = self._box.written()
                    box.run(
                        "systemd-run --quiet --unit=lab-install sh -c "
                        f'"rauc install {BUNDLE} && rauc status mark-active other"'
                    )
            except MachineFailed:  # it is still busy with its start
                return False
            return True

        def install() -> None:
            self._hall.until(self._hall.is_back, _LIMIT_S, "it is not online")
            self._hall.until(begun, _LIMIT_S, "it cannot be reached")

        for share in (10, 30, 50, 70, 90):
            more = size * share // 100

            def that_far(more: int = more) -> bool:
                return self._box.written() > before[0] + more

            self._to(Point(f"{share} % of the other slot are written", that_far), install)
        self._to(Point("the other slot was made the first", lambda: self._order().startswith("B")), install)

    def other_slot(self) -> None:
        """Its first start, three times cut: the fourth is from the former slot, or it was kept before."""
        counted_at = [0.0]

        def kernel() -> bool:
            if not counted_at[0] and self._counts("B", "2"):
                counted_at[0] = time.monotonic()
            return bool(counted_at[0]) and time.monotonic() > counted_at[0] + _KERNEL_S

        self._to(
            Point("the boot loader counted the other slot's first start", partial(self._counts, "B", "1"))
        )
        self._to(Point("the kernel of the other slot starts", kernel))
        self._to(Point("the room is checked with the other slot", self._hall.is_back))
        self._reach(Point("", self._hall.is_back))
        with way_in(*called(self._hall)) as box:
            here = slot(box)
        self.note(f"it runs in {here}")

    def note(self, said: str = "", *, back: bool = True) -> None:
        """Write down the last cut, and whether the box was there again."""
        if not self._last:
            return
        line = {
            "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            "tree": self._tree,
            "point": self._last,
            "back": back,
            "after_s": round(time.monotonic() - self._began),
            "said": said,
        }
        with LEDGER.open("a") as ledger:
            ledger.write(json.dumps(line, ensure_ascii=False) + "\n")
        print(f"  {'back  ' if back else 'LOST  '} {self._last} ({line['after_s']} s) {said}", flush=True)
        self._last = ""

    def _to(self, point: Point, act: Callable[[], None] | None = None) -> None:
        """Switch it on, come as far as this point, and pull the plug there."""
        self._reach(point, act)
        self._hall.leave(self._box.stop)
        self.note()
        self._last, self._began = point.name, time.monotonic()

    def _reach(self, point: Point, act: Callable[[], None] | None = None) -> str:
        if not self._box.running:
            self._box.start()
        if act is not None:
            act()
        deadline = time.monotonic() + _LIMIT_S
        while not (found := point.reached()):
            self._hall.stage.tend()
            if time.monotonic() > deadline or not self._box.running:
                raise NotShown(f"it does not come as far as: {point.name or 'its end'}")
            time.sleep(0.2)
        return str(found)

    def _counts(self, name: str, tries: str) -> bool:
        return counted(self._box.disk).get(f"{name}_TRY") == tries

    def _order(self) -> str:
        return counted(self._box.disk).get("ORDER", "")

    def _picture(self) -> bool:
        """Whether more than one colour is on the screen of a compositor, which has its full size."""
        time.sleep(2)
        shown = self._box.shown(self._box.folder / "seen.png")
        colours = shown.getcolors(1 << 24) or []
        return len(colours) > 50
