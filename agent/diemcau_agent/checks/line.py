"""Does the line lead to the coordinator, and how fast?"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from .fault import Call, Check, Fault, Finding, Measured, Weight
from .values import flag, number, part

SLOW_MS = 1500.0


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `line`: `linked` (the broker is reached), `rtt_ms` (its newest answer),
    `cables` and `carriers` (network sockets, and how many of them have a cable that leads to something)."""
    line = part(measured, "line")
    if line is None:
        return []
    if flag(line, "linked") is False:
        cables, carriers = number(line, "cables") or 0, number(line, "carriers") or 0
        where = "a cable is plugged in and leads nowhere" if carriers else "no network cable is plugged in"
        return [Finding("line_down", where if cables else "the coordinator is not reached")]
    rtt_ms = number(line, "rtt_ms")
    if rtt_ms is not None and rtt_ms > SLOW_MS:
        return [Finding("line_slow", f"an answer takes {rtt_ms:.0f} ms")]
    return []


CHECK = Check(
    "line",
    ("line",),
    (
        Fault(
            "line_down",
            Weight.NOT_READY,
            "the coordinator's broker is not reached",
            ("wait_line",),
            Call.LINE,
        ),
        Fault(
            "line_slow",
            Weight.REMARK,
            "answers take longer than 1.5 s, or half of the pictures got lost",
            ("wait_line",),
            Call.LINE,
        ),
    ),
    judge,
)
