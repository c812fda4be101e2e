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
_HUNG = {"camera_frozen": "camera", "microphone_silent": "microphone", "sound_missing": "tone"}
_SLOW = ("camera_slow", "line_slow")


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the parts `load` (`lost`: the share of time that timers fired too late) and `media`
    (`cut`): a check that was not over in time."""
    cut = flag(part(measured, "media") or {}, "cut")
    return [_overloaded(measured)] if cut and starved(measured) else []


def starved(measured: Measured) -> bool:
    """Whether the process that measured got too little of the machine."""
    return (number(part(measured, "load") or {}, "lost") or 0) >= STARVED


def own_doing(finding: Finding, measured: Measured) -> Finding:
    """The finding, or in its place that this unit is overloaded, where that looks the same."""
    return _overloaded(measured, finding.text) if doubtful(finding.what, measured) else finding


def doubtful(what: str, measured: Measured) -> bool:
    """Whether this unit's own being late would look like the fault. A meeting server that did not answer at
    all is another matter; a driver that does not come back in time may be waiting for its turn."""
    if not starved(measured):
        return False
    if what == "janus_unreachable":
        room = part(measured, "room") or {}
        return flag(room, "joined") is True or text(room, "why") == "slow"
    if what in _HUNG:
        return text(part(measured, _HUNG[what]) or {}, "why") == "hung"
    return what in _SLOW


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
