"""Is there a picture for the television to show?"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from .fault import Call, Check, Fault, Finding, Measured, Weight
from .values import flag, number, part, text


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `screen`: `ready` (the screen process draws), `connectors` and `connected` (of
    the graphics card; none on a machine without one), `edid` (the display says what it is), `text`."""
    screen = part(measured, "screen")
    if screen is None:
        return []
    if flag(screen, "ready") is False:
        return [Finding("screen_missing", text(screen, "text") or "the screen process does not answer")]
    if (number(screen, "connectors") or 0) > 0 and number(screen, "connected") == 0:
        return [Finding("screen_missing", "no display is plugged in")]
    if flag(screen, "edid") is False:
        return [Finding("edid_missing", text(screen, "text") or "the display does not say what it is")]
    return []


CHECK = Check(
    "screen",
    ("screen",),
    (
        Fault(
            "screen_missing",
            Weight.NOT_READY,
            "the screen process does not answer, or no display is plugged in",
            ("restart_screen",),
            Call.HALL,
        ),
        Fault(
            "edid_missing",
            Weight.REMARK,
            "the display's description (EDID) is missing or garbage",
            (),
            Call.HALL,
        ),
    ),
    judge,
)
