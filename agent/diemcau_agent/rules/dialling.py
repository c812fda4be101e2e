"""When a unit dials the coordinator by SSH, and until when. Times are seconds since the machine started
(CLOCK_BOOTTIME): the wall clock may be wrong, and is set right at any moment."""

from __future__ import annotations

import json
from dataclasses import dataclass

AT_MOST_S = 3600.0
RESCUE_S = 1800.0
CRASHES = 5
"""So many more starts of the unit process than at the last look, and it keeps crashing."""


@dataclass(frozen=True, slots=True)
class Health:
    """How systemd gets on with the unit process: how often it started it again, and whether it gave up."""

    restarts: int
    gave_up: bool = False


def asked_until(said: bytes, now_s: float) -> float | None:
    """Until when the unit process wants the line, from what it wrote; None: it does not, or not any more, or
    what is there is no such wish."""
    try:
        until_s = json.loads(said)["until_s"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    if isinstance(until_s, bool) or not isinstance(until_s, int | float):
        return None
    return float(until_s) if now_s < until_s <= now_s + AT_MOST_S else None


def wish(before: bytes, for_s: float, now_s: float) -> bytes:
    """What the unit process writes to have a line for so long from now on; never less than was asked for
    before."""
    return json.dumps({"until_s": max(now_s + for_s, asked_until(before, now_s) or 0.0)}).encode()


def read_health(said: str) -> Health | None:
    """Of what `systemctl show` says of NRestarts and ActiveState; None for anything else."""
    values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    restarts = values.get("NRestarts", "")
    if not (restarts.isascii() and restarts.isdigit()):
        return None
    return Health(int(restarts), values.get("ActiveState") == "failed")


def keeps_crashing(before: int, health: Health) -> bool:
    """True when somebody has to look from outside. `before` are the restarts at the last look, 0 at first."""
    return health.gave_up or health.restarts - before >= CRASHES


def dial_until(asked_s: float | None, crashing: bool, now_s: float) -> float | None:
    """Until when the line is wanted; None: not at all."""
    rescue_s = now_s + RESCUE_S if crashing else None
    return max((until for until in (asked_s, rescue_s) if until is not None), default=None)
