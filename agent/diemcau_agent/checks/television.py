"""Is the television on, and does it show this unit?

A television that is slow to answer is healthy: it is measured with patience (`unit/measure/television.py`).
"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from .fault import Call, Check, Fault, Finding, Measured, Weight
from .values import flag, part, text


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `television`: `why`, `text` when it cannot be spoken to, otherwise `power` (as
    `drivers.televisions.Power`) and `ours`."""
    television = part(measured, "television")
    if television is None or settings.television.control == "none":
        return []
    why, power = text(television, "why"), text(television, "power")
    if why or power == "unknown":
        return [Finding("television_silent", text(television, "text") or "it does not answer")]
    if power in ("standby", "turning_off"):
        return [Finding("television_off", f"it says {power}")]
    if power == "on" and flag(television, "ours") is False:
        return [Finding("television_input", "it shows another input")]
    return []


CHECK = Check(
    "television",
    ("television",),
    (
        Fault(
            "television_off",
            Weight.NOT_READY,
            "the television says that it is in standby",
            ("television_on",),
            Call.HALL,
        ),
        Fault(
            "television_input",
            Weight.NOT_READY,
            "the television says that it shows another input",
            ("television_input",),
            Call.HALL,
        ),
        Fault(
            "television_silent",
            Weight.REMARK,
            "nobody answers on the television's control line (CEC)",
            ("television_on",),
            Call.HALL,
        ),
    ),
    judge,
)
