"""Would this hall get into a meeting, be seen and heard there, and see and hear?

Tried for real: the way into the next meeting's room, and in the site's own check room a drawn picture and a
tone, sent and wanted back.
"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from .fault import Call, Check, Fault, Finding, Measured, Weight
from .values import flag, number, part, text

LEAST_BACK = 0.5


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `room`: `why`, `text` when it could not be entered, otherwise `joined`,
    `pictures_sent`, `pictures_back`, `tone_back`."""
    room = part(measured, "room")
    if room is None:
        return []
    if text(room, "why"):
        return [Finding("janus_unreachable", text(room, "text"))]
    sent, back = number(room, "pictures_sent"), number(room, "pictures_back")
    if sent is None or back is None:
        return []
    if back == 0:
        return [Finding("janus_unreachable", f"{sent:.0f} pictures sent, none came back")]
    if flag(room, "tone_back") is False:
        return [Finding("janus_unreachable", "the pictures came back, the tone did not")]
    if back < LEAST_BACK * sent:
        return [Finding("line_slow", f"{sent:.0f} pictures sent, {back:.0f} came back")]
    return []


CHECK = Check(
    "room",
    ("room",),
    (
        Fault(
            "janus_unreachable",
            Weight.NOT_READY,
            "the meeting server does not let this hall in, or no media come back from it",
            ("wait_line",),
            Call.COORDINATOR,
        ),
    ),
    judge,
)
