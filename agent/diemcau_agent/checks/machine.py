"""Is the unit itself well: disk, heat, mains, clock?"""

from __future__ import annotations

from diemcau_wire.messages import DesiredConfig

from .fault import Call, Check, Fault, Finding, Measured, Weight
from .values import flag, number, part, text

LEAST_FREE_BYTES = 64 * 2**20
HOT_C = 82.0
CLOCK_OFF_S = 60.0


def judge_disk(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `disk`: `free_bytes`, `text` when nothing can be written."""
    disk = part(measured, "disk")
    if disk is None:
        return []
    if problem := text(disk, "text"):
        return [Finding("disk_full", problem)]
    free = number(disk, "free_bytes")
    if free is not None and free < LEAST_FREE_BYTES:
        return [Finding("disk_full", f"{free / 2**20:.0f} MiB are free")]
    return []


def judge_heat(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `heat`: `celsius` of the hottest sensor; None without one."""
    celsius = number(part(measured, "heat") or {}, "celsius")
    return [Finding("hot", f"{celsius:.0f} °C")] if celsius is not None and celsius >= HOT_C else []


def judge_power(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `power`: `undervoltage`, now or since the start."""
    low = flag(part(measured, "power") or {}, "undervoltage")
    return [Finding("undervoltage", "the supply gives less than 4.63 V")] if low else []


def judge_clock(measured: Measured, settings: DesiredConfig) -> list[Finding]:
    """Findings from the part `clock`: `trusted`, `offset_s` against the coordinator, where it is known."""
    clock = part(measured, "clock")
    if clock is None:
        return []
    offset = number(clock, "offset_s")
    if (
        offset is not None
    ):  # a clock that was ahead has left files of the future; the coordinator knows better
        return [Finding("clock_wrong", f"it is {offset:+.0f} s off")] if abs(offset) > CLOCK_OFF_S else []
    if flag(clock, "trusted") is False:
        return [Finding("clock_wrong", "it stands before things that were written here")]
    return []


DISK = Check(
    "disk",
    ("disk",),
    (
        Fault(
            "disk_full",
            Weight.REMARK,
            "nothing can be written, or less than 64 MiB are free",
            ("free_disk",),
        ),
    ),
    judge_disk,
)
HEAT = Check(
    "heat",
    ("heat",),
    (Fault("hot", Weight.REMARK, "a sensor of the unit shows 82 °C or more", (), Call.HALL),),
    judge_heat,
)
POWER = Check(
    "power",
    ("power",),
    (
        Fault(
            "undervoltage",
            Weight.REMARK,
            "the unit's supply has been too weak since it was started",
            (),
            Call.ELECTRICIAN,
        ),
    ),
    judge_power,
)
CLOCK = Check(
    "clock",
    ("clock",),
    (
        Fault(
            "clock_wrong",
            Weight.REMARK,
            "the clock stands before things already written, or is over a minute off the coordinator's",
            ("step_clock",),
        ),
    ),
    judge_clock,
)
