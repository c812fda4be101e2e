"""From the findings of a check to one verdict and one instruction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """ready: nothing found. remark: it will work, but …; not_ready: it will not; unknown: not checked, or
    not to the end; checking: a check runs."""

    READY = "ready"
    REMARK = "remark"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"
    CHECKING = "checking"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found: `what` is a stable word, `text` is for the technician."""

    what: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the screen and the board show: the verdict and the key of the one instruction, or ""."""

    verdict: Verdict = Verdict.UNKNOWN
    instruction: str = ""
    findings: tuple[Finding, ...] = field(default=())


CHECKING = Readiness(Verdict.CHECKING)

# Worst first: the first one found gives the instruction.
_WEIGHT = {
    "janus_unreachable": Verdict.NOT_READY,
    "camera_missing": Verdict.NOT_READY,
    "screen_missing": Verdict.NOT_READY,
    "camera_frozen": Verdict.NOT_READY,
    "microphone_missing": Verdict.NOT_READY,
    "camera_black": Verdict.REMARK,
    "microphone_silent": Verdict.REMARK,
    "check_incomplete": Verdict.UNKNOWN,
    "clock_wrong": Verdict.REMARK,
    "disk_full": Verdict.REMARK,
}

_NOTHING_TO_DO = frozenset({"check_incomplete"})


def judge(findings: Iterable[Finding]) -> Readiness:
    """The readiness that follows from `findings`; a word not known here is a remark."""
    order = list(_WEIGHT)
    found = sorted(findings, key=lambda f: order.index(f.what) if f.what in _WEIGHT else len(order))
    if not found:
        return Readiness(Verdict.READY)
    weights = [_WEIGHT.get(f.what, Verdict.REMARK) for f in found]
    verdict = next(one for one in (Verdict.NOT_READY, Verdict.REMARK, Verdict.UNKNOWN) if one in weights)
    instruction = next((f.what for f in found if f.what not in _NOTHING_TO_DO), "")
    return Readiness(verdict, instruction, tuple(found))
