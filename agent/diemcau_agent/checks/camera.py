"""Does the camera give pictures that move, are not black, and come often enough?

A dark hall and an empty one are healthy. Sensor noise makes every picture of a raw camera different from the
one before. An encoder with noise reduction repeats a still picture exactly until its next key frame, which
differs from the last one; so a camera is frozen only when even several key frames brought nothing new. A
covered lens is flat: what light there is in a dark hall lies somewhere. It is black, too: noise of a sensor
at full gain, cut off at black (16), lifts the mean by no more than 8.
"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from .fault import Call, Check, Fault, Finding, Measured, Part, Weight
from .values import number, part, text

BLACK_LUMA, BLACK_BRIGHTEST, BLACK_STRUCTURE = 26.0, 52.0, 0.8
STALE_S, STALE_KEYS, STILL = 2.0, 3.0, 1.5
LEAST_FPS, LEAST_SHARE = 6.0, 0.6
LONGEST_GOP_S = 2.5

_BY_WHY = {
    "missing": "camera_missing",
    "lost": "camera_missing",
    "busy": "camera_busy",
    "refused": "camera_refused",
    "unreachable": "camera_unreachable",
    "unsupported": "camera_unsupported",
    "silent": "camera_frozen",
    "hung": "camera_frozen",
}


def judge(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `camera`: `why`, `text` when it failed, otherwise `pictures`, `seconds`, `fps`,
    `gop_s`, `luma`, `brightest`, `structure`, `stale_s`, `stale_keys`, `motion`."""
    camera = part(measured, "camera")
    if camera is None:
        return []
    if why := text(camera, "why"):
        return [Finding(_BY_WHY.get(why, "camera_missing"), text(camera, "text"))]
    if number(camera, "pictures") == 0:
        return [Finding("camera_frozen", "it opened and gave no picture")]
    if _black(camera):
        return [Finding("camera_black", f"mean luma {number(camera, 'luma') or 0:.0f}")]
    if _frozen(camera):
        return [Finding("camera_frozen", f"the same picture for {number(camera, 'stale_s') or 0:.1f} s")]
    return [*_slow(camera, settings.video.fps), *_long_gop(camera)]


def _black(camera: Part) -> bool:
    luma, brightest, structure = (number(camera, key) for key in ("luma", "brightest", "structure"))
    if luma is None or brightest is None or structure is None:
        return False
    return luma < BLACK_LUMA and brightest < BLACK_BRIGHTEST and structure < BLACK_STRUCTURE


def _frozen(camera: Part) -> bool:
    stale_s, stale_keys, motion = (number(camera, key) for key in ("stale_s", "stale_keys", "motion"))
    if stale_s is None or stale_keys is None or motion is None:
        return False
    return stale_s >= STALE_S and stale_keys >= STALE_KEYS and motion < STILL


def _slow(camera: Part, wanted_fps: float) -> list[Finding]:
    fps = number(camera, "fps")
    if fps is None or fps >= min(LEAST_FPS, LEAST_SHARE * wanted_fps):
        return []
    return [Finding("camera_slow", f"{fps:.1f} pictures a second")]


def _long_gop(camera: Part) -> list[Finding]:
    gop_s = number(camera, "gop_s")
    if gop_s is None or gop_s <= LONGEST_GOP_S:
        return []
    return [Finding("camera_gop", f"a key frame every {gop_s:.1f} s")]


CHECK = Check(
    "camera",
    ("camera",),
    (
        Fault(
            "camera_missing",
            Weight.NOT_READY,
            "the configured camera is not there, or went away",
            ("reset_usb", "reopen_camera"),
            Call.HALL,
        ),
        Fault(
            "camera_busy",
            Weight.NOT_READY,
            "another program holds the camera",
            ("reopen_camera", "reset_usb"),
        ),
        Fault("camera_refused", Weight.NOT_READY, "the camera refuses user name or password"),
        Fault(
            "camera_unreachable",
            Weight.NOT_READY,
            "a network camera does not answer",
            ("reopen_camera",),
            Call.HALL,
        ),
        Fault(
            "camera_unsupported",
            Weight.NOT_READY,
            "what the camera gives cannot be sent (HEVC, no video)",
        ),
        Fault(
            "camera_frozen",
            Weight.NOT_READY,
            "it opened and gives nothing, or exactly the same picture again and again",
            ("reopen_camera", "reset_usb"),
            Call.HALL,
        ),
        Fault(
            "camera_black",
            Weight.REMARK,
            "pictures are black and flat all over",
            ("reopen_camera",),
            Call.HALL,
        ),
        Fault("camera_slow", Weight.REMARK, "fewer than 6 pictures a second", ("smaller_picture",)),
        Fault("camera_gop", Weight.REMARK, "a passed-through camera makes a key frame less than every 2.5 s"),
    ),
    judge,
)
