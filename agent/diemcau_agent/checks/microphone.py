"""Does the microphone give sound?

A quiet hall is healthy: a live microphone always has some noise of its own. Silent is what is exactly zero,
or so low that no converter would give it.
"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from .fault import Call, Check, Fault, Finding, Measured, Part, Weight
from .values import flag, number, part, text

SILENT_DB, SILENT_PEAK_DB = -82.0, -72.0
QUIET_VOLUME = 15.0
QUIET_TONE_DB = -62.0

_BY_WHY = {
    "missing": "microphone_missing",
    "lost": "microphone_missing",
    "busy": "microphone_busy",
    "substituted": "microphone_substituted",
    "silent": "microphone_silent",
    "hung": "microphone_silent",
}


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the parts `microphone` (`why`, `text`, or `level_db`, `peak_db`), `mixer`
    (`source_muted`, `source_volume`) and `tone` (`heard`, `level_db`)."""
    microphone, mixer = part(measured, "microphone"), part(measured, "mixer") or {}
    if microphone is None or settings.microphone.source == "none":
        return []
    if why := text(microphone, "why"):
        return [Finding(_BY_WHY.get(why, "microphone_missing"), text(microphone, "text"))]
    if flag(mixer, "source_muted"):
        return [Finding("microphone_muted", "the sound server has muted it")]
    volume = number(mixer, "source_volume")
    if volume is not None and volume < QUIET_VOLUME:  # first: so far down it may be silent altogether
        return [Finding("microphone_quiet", f"its volume stands at {volume:.0f} %")]
    level, peak = number(microphone, "level_db"), number(microphone, "peak_db")
    if level is not None and peak is not None and level < SILENT_DB and peak < SILENT_PEAK_DB:
        return [Finding("microphone_silent", f"level {level:.0f} dBFS, peak {peak:.0f} dBFS")]
    return _quiet(part(measured, "tone") or {})


def _quiet(tone: Part) -> list[Finding]:
    level = number(tone, "level_db")
    if flag(tone, "heard") and level is not None and level < QUIET_TONE_DB:
        return [Finding("microphone_quiet", f"the tone arrived with {level:.0f} dBFS")]
    return []


CHECK = Check(
    "microphone",
    ("microphone", "mixer", "tone"),
    (
        Fault(
            "microphone_missing",
            Weight.NOT_READY,
            "the configured microphone is not there, or went away",
            ("restart_sound",),
            Call.HALL,
        ),
        Fault(
            "microphone_busy", Weight.NOT_READY, "another program holds the microphone", ("restart_sound",)
        ),
        Fault(
            "microphone_substituted",
            Weight.NOT_READY,
            "another microphone opened than the configured one",
            ("restart_sound",),
            Call.HALL,
        ),
        Fault(
            "microphone_muted",
            Weight.NOT_READY,
            "the sound server says it is muted",
            ("unmute_microphone",),
        ),
        Fault(
            "microphone_silent",
            Weight.NOT_READY,
            "it gives less than the noise of any live microphone",
            ("restart_sound",),
            Call.HALL,
        ),
        Fault(
            "microphone_quiet",
            Weight.REMARK,
            "its volume is below 15 %, or the tone arrives far too weak",
            ("raise_microphone",),
            Call.HALL,
        ),
    ),
    judge,
)
