"""How far a box is on its way to be a unit, and what the hall is shown of it: pure.

The steps are taken one after the other. The identity process says which one it is at and why one fails; from
the configuration on the unit itself knows. `why` and `remark` are keys of the screen's texts (`enrolling.*`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .verdict import Verdict

READY_SHOWN = timedelta(seconds=12)
"""So long the hall is told that everything is done, before its ordinary screen comes."""
CHECK_LIMIT = timedelta(minutes=3)
"""A room check that says nothing for so long does not hold up the ordinary screen."""


class Step(StrEnum):
    """What has to be done, in this order."""

    LINE = "line"
    ADDRESS = "address"
    TIME = "time"
    APPROVAL = "approval"
    CONFIGURATION = "configuration"
    CHECK = "check"
    READY = "ready"


class At(StrEnum):
    """How a step stands."""

    AHEAD = "ahead"
    DOING = "doing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """The way so far. `code` are nine digits, good until `until`; `qr` is the office's address with them.

    `why` says what fails at `step`, "" while nothing does; `remark` what somebody should know though it goes
    on. `where` is what a sentence may name (an address, a file); `whom` and `phone` are called for help.
    """

    step: Step = Step.LINE
    why: str = ""
    remark: str = ""
    where: str = ""
    line: str = ""
    code: str = ""
    until: datetime | None = None
    qr: str = ""
    site_name: str = ""
    serial: str = ""
    whom: str = ""
    phone: str = ""

    def at(self, step: Step) -> At:
        """How `step` stands."""
        steps = list(Step)
        ours, asked = steps.index(self.step), steps.index(step)
        if asked < ours or (self.step is Step.READY and asked == ours):
            return At.DONE
        if asked > ours:
            return At.AHEAD
        return At.FAILED if self.why else At.DOING

    def doing(self, step: Step) -> Progress:
        """It is at `step` now. A code stands as long as approval is waited for, and no longer."""
        kept = self.code if step is Step.APPROVAL else ""
        return replace(self, step=step, why="", code=kept)

    def failed(self, step: Step, why: str, *, where: str = "", line: str = "") -> Progress:
        """`step` fails because of `why`; it is tried again by itself. A code on the screen stays good."""
        return replace(self, step=step, why=why, where=where, line=line)

    def coded(self, code: str, until: datetime, qr: str, remark: str) -> Progress:
        """Somebody shall say these digits, or scan them."""
        return replace(self.doing(Step.APPROVAL), code=code, until=until, qr=qr, remark=remark)

    def prepared(self, whom: str, phone: str, serial: str) -> Progress:
        """What was prepared for this box: whom to call, and the number people know the box by."""
        return replace(self, whom=whom, phone=phone, serial=serial)

    def admitted(self, site_name: str) -> Progress:
        """The box is the unit of a site now."""
        return replace(self.doing(Step.CONFIGURATION), site_name=site_name, remark="")

    def shown(self) -> dict[str, Any]:
        """The part `enrolling` of the `show` line (ARCHITECTURE.md, "Between the processes")."""
        return {
            "steps": [{"step": step.value, "at": self.at(step).value} for step in Step],
            "why": self.why,
            "remark": self.remark,
            "where": self.where,
            "line": self.line,
            "code": self.code,
            "until": self.until.isoformat(timespec="seconds") if self.until and self.code else None,
            "qr": self.qr if self.code else "",
            "site_name": self.site_name,
            "serial": self.serial,
        }


class Arrival:
    """From being admitted to the first verdict about the room: what is shown instead of the ordinary screen.

    It gives way to a meeting at once, and to the instruction of a room that is not ready.
    """

    def __init__(self, progress: Progress, now: datetime) -> None:
        self._progress = progress
        self._checked: datetime | None = None
        self._check_since: datetime | None = None
        self.over = False

    def look(
        self, now: datetime, *, configured: bool, verdict: Verdict, attending: bool, asked: bool
    ) -> Progress | None:
        """What to show now; None: the ordinary screen. `asked`: the check after admission was asked for."""
        if self.over:
            return None
        if not configured:
            return self._progress
        if self._check_since is None:
            self._check_since = now
        fault = verdict is Verdict.NOT_READY and asked
        if attending or fault or (self._checked is None and now - self._check_since > CHECK_LIMIT):
            self.over = True
            return None
        known = verdict in (Verdict.READY, Verdict.REMARK)
        if not (asked and known) and self._checked is None:
            return self._progress.doing(Step.CHECK)
        if self._checked is None:
            self._checked = now
        if now - self._checked >= READY_SHOWN:
            self.over = True
            return None
        return self._progress.doing(Step.READY)


def show(progress: Progress, *, clock_ahead_s: float, link: bool, notice: dict[str, Any]) -> dict[str, Any]:
    """The whole `show` line of a box that is no unit yet. `notice` is the part `privacy`: its camera opens
    for nothing but a code held before it."""
    return {
        "type": "show",
        "view": "enrolling",
        "language": "vi",
        "site": None,
        "coordinator": {"name": progress.whom, "phone": progress.phone},
        "link": link,
        "clock_ahead_s": round(clock_ahead_s, 1),
        "privacy": notice,
        "enrolling": progress.shown(),
    }


def show_farewell(farewell: dict[str, str], serial: str) -> dict[str, Any]:
    """The `show` line of a unit that is none any more: what was said to it when it wiped its secrets."""
    return {
        "type": "show",
        "view": "replaced",
        "language": "vi",
        "site": None,
        "coordinator": {"name": farewell.get("whom", ""), "phone": farewell.get("phone", "")},
        "link": False,
        "replaced": {
            "verdict": farewell.get("verdict", "replaced"),
            "site_name": farewell.get("site_name", ""),
            "serial": serial,
        },
    }
