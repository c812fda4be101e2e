"""What software can mend by itself: one file per device. Which fault is tried with which stands in the
checks."""

from __future__ import annotations

from . import camera, line, machine, processes, sound, television
from .remedy import NotPossible, Remedy

__all__ = ["REMEDIES", "NotPossible", "Remedy"]

REMEDIES: dict[str, Remedy] = {
    remedy.name: remedy
    for remedy in (
        camera.REOPEN,
        camera.RESET_USB,
        camera.SMALLER,
        sound.RESTART,
        sound.UNMUTE_MICROPHONE,
        sound.RAISE_MICROPHONE,
        sound.UNMUTE_SOUND,
        sound.RAISE_SOUND,
        sound.LOWER_SOUND,
        television.ON,
        television.INPUT,
        processes.RESTART_SCREEN,
        processes.FRESH_MEDIA,
        line.WAIT,
        machine.FREE_DISK,
        machine.STEP_CLOCK,
    )
}
