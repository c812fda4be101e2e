"""Is what the hall plays heard in the hall?

The tone is judged only where it could have been heard: not when the microphone itself is at fault, and not
against the noise of a full hall. A bare hall that rings for four seconds, heard from its far end, sends back
7 dB more late than at once; what is above that comes another, louder way.
"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from . import microphone
from .fault import Call, Check, Fault, Finding, Measured, Weight
from .values import flag, number, part, text

LOUD_HALL_DB = -38.0
ECHO_DB = 8.0

_BY_WHY = {
    "missing": "sound_missing",
    "busy": "sound_missing",
    "substituted": "sound_missing",
    "lost": "sound_missing",
    "hung": "sound_missing",
}


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the parts `tone` (`why`, `text` of the output, or `played`, `heard`, `noise_db`,
    `echo_db`) and `mixer` (`sink_muted`, `sink_volume`)."""
    if settings.sound.output == "none":
        return []
    tone, mixer = part(measured, "tone") or {}, part(measured, "mixer") or {}
    if why := text(tone, "why"):
        return [Finding(_BY_WHY.get(why, "sound_missing"), text(tone, "text"))]
    if flag(mixer, "sink_muted"):
        return [Finding("sound_muted", "the sound server has muted it")]
    if number(mixer, "sink_volume") == 0:
        return [Finding("sound_muted", "its volume stands at 0 %")]
    if not flag(tone, "played") or flag(tone, "heard") is None:
        return []
    if not flag(tone, "heard"):
        noise = number(tone, "noise_db")
        if microphone.judge(measured, settings) or noise is None or noise > LOUD_HALL_DB:
            return []
        return [Finding("sound_not_heard", f"noise {noise:.0f} dBFS, the tone is not in it")]
    echo = number(tone, "echo_db")
    if echo is not None and echo > ECHO_DB:
        return [Finding("sound_echo", f"the echo is {echo:+.0f} dB of the tone")]
    return []


CHECK = Check(
    "sound",
    ("tone", "mixer"),
    (
        Fault(
            "sound_missing",
            Weight.NOT_READY,
            "the configured loudspeaker cannot be opened, or another one opened",
            ("restart_sound",),
            Call.HALL,
        ),
        Fault(
            "sound_muted",
            Weight.NOT_READY,
            "the sound server says it is muted, or at 0 %",
            ("unmute_sound",),
        ),
        Fault(
            "sound_not_heard",
            Weight.NOT_READY,
            "a tone was played in a quiet hall and the microphone did not hear it",
            ("raise_sound", "restart_sound"),
            Call.HALL,
        ),
        Fault(
            "sound_echo",
            Weight.REMARK,
            "far more of the tone comes back late than at once: over 8 dB",
            ("lower_sound",),
            Call.HALL,
        ),
    ),
    judge,
)
