"""Was this unit itself too busy to look?

Pictures that come slowly and pictures that are looked at slowly look the same. So the process that measures
watches its own timers: where they lost a third of the time, what was slow is put down to the unit, and not
to its camera, its line or the meeting server.
"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from .fault import Check, Fault, Finding, Measured, Weight
from .values import flag, number, part, text

STARVED = 0.3
DOUBTED = ("camera_slow", "line_slow", "janus_unreachable")


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the parts `load` (`lost`: the share of time that timers fired too late) and `media`
    (`cut`): a check that was not over in time."""
    cut = flag(part(measured, "media") or {}, "cut")
    return [_overloaded(measured)] if cut and starved(measured) else []


def starved(measured: Measured) -> bool:
    """Whether the process that measured got too little of the machine."""
    return (number(part(measured, "load") or {}, "lost") or 0) >= STARVED


def own_doing(finding: Finding, measured: Measured) -> Finding:
    """The finding, or in its place that this unit is overloaded, where that looks the same. A meeting server
    that did not answer at all did not."""
    unanswered = finding.what == "janus_unreachable" and not _answered(measured)
    if finding.what not in DOUBTED or unanswered or not starved(measured):
        return finding
    return _overloaded(measured, finding.text)


def _answered(measured: Measured) -> bool:
    room = part(measured, "room") or {}
    return flag(room, "joined") is True or text(room, "why") == "slow"


def _overloaded(measured: Measured, why: str = "the check was not over in time") -> Finding:
    lost = number(part(measured, "load") or {}, "lost") or 0
    return Finding("unit_overloaded", f"{lost:.0%} of the time its timers fired late; {why}")


CHECK = Check(
    "load",
    ("load", "media"),
    (
        Fault(
            "unit_overloaded",
            Weight.REMARK,
            "pictures or answers came slowly, and the timers of what measured lost 30 % of the time",
        ),
    ),
    judge,
)
