"""A television that is a JSON file: what it does now, changed by whoever writes the file, and by our orders.

Keys, all with the values of a good one as default:
`plugged` true · `answers` true · `obeys` true · `tells_input` true · `power` "standby" (or "on") · `shows` 1,
its input · `our_input` 1, what this unit is plugged into · `lag_s` 0, how long a change takes, the first
half of it unsaid · `hang_s` 0, how long each call takes · `name`.
An order writes `power` and `shows` back, with `changed_at` (seconds since 1970): the file is the television.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..televisions import Power, TelevisionLost, TelevisionState


@dataclass(frozen=True, slots=True)
class _Effects:
    plugged: bool = True
    answers: bool = True
    obeys: bool = True
    tells_input: bool = True
    power: str = "standby"
    shows: int = 1
    our_input: int = 1
    lag_s: float = 0.0
    hang_s: float = 0.0
    name: str = "TV"
    changed_at: float = 0.0


class FakeTelevision:
    """The television in `path`. Raises :class:`TelevisionLost` when that is no file of this kind."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._effects()

    def state(self) -> TelevisionState:
        """What the file says, late by `lag_s`."""
        effects = self._effects()
        if not effects.answers:
            return TelevisionState(Power.UNKNOWN)
        on = effects.power == Power.ON
        ours = effects.shows == effects.our_input if on and effects.tells_input else None
        since = time.time() - effects.changed_at
        if since < effects.lag_s / 2:
            return TelevisionState(Power.STANDBY if on else Power.ON, None, effects.name)
        if since < effects.lag_s:
            return TelevisionState(Power.TURNING_ON if on else Power.TURNING_OFF, None, effects.name)
        return TelevisionState(Power.ON if on else Power.STANDBY, ours, effects.name)

    def turn_on(self) -> None:
        """Write `power` on."""
        self._order(power=Power.ON)

    def show_us(self) -> None:
        """Write `shows` ours."""
        self._order(shows=self._effects().our_input)

    def stand_by(self) -> None:
        """Write `power` standby."""
        self._order(power=Power.STANDBY)

    def close(self) -> None:
        """Nothing to let go."""

    def _order(self, *, power: Power | None = None, shows: int | None = None) -> None:
        effects = self._effects()
        if not effects.answers:
            raise TelevisionLost("the television does not answer", "silent")
        if not effects.obeys:
            return
        after = replace(
            effects,
            power=power.value if power else effects.power,
            shows=effects.shows if shows is None else shows,
        )
        if after.power != effects.power:
            after = replace(after, changed_at=time.time())
        draft = self._path.with_name(f".{self._path.name}.draft")
        draft.write_text(json.dumps(asdict(after)), encoding="utf-8")
        draft.replace(self._path)

    def _effects(self) -> _Effects:
        try:
            effects = _Effects(**json.loads(self._path.read_text(encoding="utf-8")))
            for key, good in asdict(_Effects()).items():
                value = getattr(effects, key)
                if not isinstance(value, (float, int) if isinstance(good, float) else type(good)):
                    raise TypeError(f"{key}: {value!r}")
            time.sleep(effects.hang_s)
        except (OSError, ValueError, TypeError) as error:
            raise TelevisionLost(f"{self._path}: {error}", "missing") from error
        if not effects.plugged:
            raise TelevisionLost("the television is not plugged in", "missing")
        return effects
