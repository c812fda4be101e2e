"""Did the check itself come to its end?"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from .fault import Check, Fault, Finding, Measured, Weight
from .values import flag, part, text


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `media`: `hung` (the media process stopped answering), `cut` (the check was
    ended before everything was measured), `text`."""
    media = part(measured, "media")
    if media is None:
        return []
    if flag(media, "hung"):
        return [Finding("media_hung", text(media, "text"))]
    if flag(media, "cut"):
        return [Finding("check_incomplete", text(media, "text"))]
    return []


CHECK = Check(
    "media",
    ("media",),
    (
        Fault(
            "media_hung",
            Weight.NOT_READY,
            "the process for camera and sound does not answer",
            ("fresh_media",),
        ),
        Fault("check_incomplete", Weight.UNKNOWN, "a meeting began, or time was over, before the end"),
    ),
    judge,
)
