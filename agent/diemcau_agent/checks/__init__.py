"""The checks of a room: one file each, pure. The worst comes first, in the list and within a check."""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from . import camera, line, load, machine, media, microphone, room, screen, sound, television
from .fault import Call, Check, Fault, Finding, Measured, Weight
from .values import flag, part

__all__ = ["CHECKS", "FAULTS", "Call", "Check", "Fault", "Finding", "Measured", "Weight", "judge"]

CHECKS: tuple[Check, ...] = (
    line.CHECK,
    room.CHECK,
    media.CHECK,
    camera.CHECK,
    screen.CHECK,
    television.CHECK,
    microphone.CHECK,
    sound.CHECK,
    machine.CLOCK,
    machine.DISK,
    machine.POWER,
    machine.HEAT,
    load.CHECK,
)

FAULTS: dict[str, Fault] = {fault.what: fault for check in CHECKS for fault in check.faults}
"""Every fault there is, by its word."""


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """What is wrong with a room that was measured, each fault once. Takes anything for measured values."""
    found = [
        load.own_doing(finding, measured) for check in CHECKS for finding in check.judge(measured, settings)
    ]
    return list({finding.what: finding for finding in reversed(found)}.values())[::-1]


def seen_gone(what: str, measured: Measured) -> bool:
    """Whether these values could have shown the fault `what` and do not. A tone that was not played, because
    somebody moved, or whose recording has gaps, tells nothing of a loudspeaker nobody heard; a unit too busy
    to look tells nothing of what was slow."""
    if load.doubtful(what, measured):
        return False
    return what != "sound_not_heard" or flag(part(measured, "tone") or {}, "heard") is True


def parts_of(what: str) -> tuple[str, ...]:
    """The parts to measure again to know whether a fault is gone."""
    if what == "line_slow":
        return ("line", "room")
    return next(check.parts for check in CHECKS for fault in check.faults if fault.what == what)
