"""What a television says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Power(StrEnum):
    """What a television says of itself. It lags: after an order many say the old state for ten seconds.
    `unknown`: it did not answer."""

    ON = "on"
    STANDBY = "standby"
    TURNING_ON = "turning_on"
    TURNING_OFF = "turning_off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TelevisionState:
    """`ours`: whether it shows this unit's picture, None when it does not tell. `name`: what it calls
    itself, "" when it does not."""

    power: Power
    ours: bool | None = None
    name: str = ""
