"""Part `healthy`: three hundred checks of healthy halls, a third of them hard, through the code that measures
in a unit: not one may find anything. One in five also enters a real Janus room and gets its picture back.

Each row's evidence has everything that was measured in its halls.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from tests.lab.report import Evidence, NotShown, Report
from tests.system import janus_for_tests
from tests.system.hall_in_process import HallInProcess, check_again, check_all
from tests.system.healthy_halls import HARD, hall
from tests.system.web_clock import WebClock

SEED, COUNT, AT_A_TIME = 2026, 300, 6
KINDS = ("ordinary", *HARD)
WITH_ROOM = 5  # one hall in so many


def main() -> int:
    """Check them all and show a row for each kind."""
    report = Report("healthy", again="--again" in sys.argv)
    names = {kind: f"{kind} halls: no alarm" for kind in KINDS}
    if not report.done(*names.values()):
        folder = Path(tempfile.mkdtemp(prefix="diemcau-lab-"))
        try:
            halls = _checked(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        for kind, name in names.items():
            report.show(name, partial(_of_kind, halls, kind))
    return 0 if report.verdict(list(names.values())) else 1


def _checked(folder: Path) -> list[HallInProcess]:
    janus = janus_for_tests.start(folder / "janus")
    try:
        with WebClock(janus.folder, off_s=20) as clock:
            halls = [
                hall(
                    folder / f"hall-{number}",
                    number,
                    HARD[number // 3 % len(HARD)] if number % 3 == 0 else "ordinary",
                    seed=SEED,
                    clock=clock.way,
                    check_room=dict(janus.join) if number % WITH_ROOM == 0 else None,
                )
                for number in range(COUNT)
            ]
            asyncio.run(check_all(halls, AT_A_TIME, _say))
            again = asyncio.run(check_again(halls))
            print(f"  {len(again)} of them checked once more, each by itself", flush=True)
    finally:
        janus.stop()
    return halls


def _say(over: int) -> None:
    if over % 20 == 0:
        print(f"  {over} of {COUNT} halls checked", flush=True)


def _of_kind(halls: list[HallInProcess], kind: str, evidence: Evidence) -> str:
    of_kind = [one for one in halls if one.kind == kind]
    evidence.json("halls", [_told(one) for one in of_kind])
    alarms = {one.folder.name: [finding.what for finding in one.found] for one in of_kind if one.found}
    tones = Counter(_tone(one.measured.get("tone", {})) for one in of_kind)
    lumas = [one.measured["camera"]["luma"] for one in of_kind]
    levels = [one.measured["microphone"]["level_db"] for one in of_kind]
    rooms = sum("room" in one.measured for one in of_kind)
    said = (
        f"{len(of_kind)} halls, {len(alarms)} alarms; mean light {min(lumas):.0f} to {max(lumas):.0f} of 255,"
        f" microphone {min(levels):.0f} to {max(levels):.0f} dBFS; the tone: "
        + ", ".join(f"{count} {what}" for what, count in tones.most_common())
        + f"; {rooms} with media through Janus"
    )
    if alarms:
        raise NotShown(f"{said}: {alarms}")
    return said


def _tone(tone: dict[str, Any]) -> str:
    """What came of the tone."""
    if tone.get("skipped"):
        return "not played: occupied"
    return "heard" if tone.get("heard") else str(tone.get("text") or "not heard, too loud to say")


def _told(one: HallInProcess) -> dict[str, Any]:
    found = [f"{finding.what}: {finding.text}" for finding in one.found]
    return {"hall": one.folder.name, "found": found, "measured": one.measured}


if __name__ == "__main__":
    sys.exit(main())
