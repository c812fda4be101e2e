"""A keypad that is a JSON file: which keys are down now, read again while it is open.

Keys, all with the values of a good one as default: `plugged` true · `busy` false, another program has it ·
`down` [], codes of keys that are down · `repeats` false, whether held keys repeat · `hang_s` 0, how long
each read takes besides.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from ..buttons import ButtonsLost, KeyEvent

_LOOK_S = 0.02
_REPEAT_S = 0.2


@dataclass(frozen=True, slots=True)
class _Effects:
    plugged: bool = True
    busy: bool = False
    down: tuple[int, ...] = ()
    repeats: bool = False
    hang_s: float = 0.0


class FakeButtons:
    """The keypad in `path`. Raises :class:`ButtonsLost` when that is no file of this kind."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        effects = self._effects()
        if effects.busy:
            raise ButtonsLost("another program has the keypad", "busy")
        self._down = set(effects.down)  # as a real one: what is down at the opening is not told
        self._repeated_at = time.monotonic()
        self._closed = False

    def read(self, timeout_s: float) -> list[KeyEvent]:
        """What changed in the file."""
        deadline = time.monotonic() + timeout_s
        while not self._closed:
            effects = self._effects()
            time.sleep(effects.hang_s)
            events = self._changes(effects)
            if events or time.monotonic() >= deadline:
                return events
            time.sleep(_LOOK_S)
        raise ButtonsLost("the keypad is closed")

    def close(self) -> None:
        """Nothing to let go."""
        self._closed = True

    def _changes(self, effects: _Effects) -> list[KeyEvent]:
        down = set(effects.down)
        events = [KeyEvent(code, 0) for code in sorted(self._down - down)]
        events += [KeyEvent(code, 1) for code in sorted(down - self._down)]
        now = time.monotonic()
        if effects.repeats and now - self._repeated_at >= _REPEAT_S:
            self._repeated_at = now
            events += [KeyEvent(code, 2) for code in sorted(down & self._down)]
        self._down = down
        return events

    def _effects(self) -> _Effects:
        try:
            values = json.loads(self._path.read_text(encoding="utf-8"))
            effects = _Effects(**{**values, "down": tuple(int(code) for code in values.get("down", ()))})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ButtonsLost(f"{self._path}: {error}", "missing") from error
        if not effects.plugged:
            raise ButtonsLost("the keypad is not plugged in", "missing")
        return effects
