"""From keys of a keypad or presenter to what they mean. Everything else on it means nothing.

A key counts when it is let go within 2 s, so a key that is stuck, or has something lying on it, does nothing;
repeats of a held key do nothing either. Only the local stop is held for 2 s, and counts then, once.
"""

from __future__ import annotations

from enum import StrEnum

HOLD_S = 2.0


class Press(StrEnum):
    """What can be asked for on a keypad."""

    HAND = "hand"
    MUTE = "mute"
    STOP = "stop"
    VOLUME_UP = "volume_up"
    VOLUME_DOWN = "volume_down"
    CHECK = "check"
    POSTPONE = "postpone"


MEANING = {
    79: Press.HAND,  # 1 on the number block
    2: Press.HAND,  # 1
    109: Press.HAND,  # page down: "next" on a presenter
    80: Press.MUTE,  # 2 on the number block
    3: Press.MUTE,  # 2
    104: Press.MUTE,  # page up: "back" on a presenter
    248: Press.MUTE,  # microphone mute
    82: Press.STOP,  # 0 on the number block
    11: Press.STOP,  # 0
    48: Press.STOP,  # b: "black screen" on a presenter
    52: Press.STOP,  # full stop: the same on other ones
    78: Press.VOLUME_UP,  # + on the number block
    115: Press.VOLUME_UP,  # volume up
    74: Press.VOLUME_DOWN,  # - on the number block
    114: Press.VOLUME_DOWN,  # volume down
    76: Press.CHECK,  # 5 on the number block
    6: Press.CHECK,  # 5
    63: Press.CHECK,  # F5: "start" on a presenter
    77: Press.POSTPONE,  # 6 on the number block
    7: Press.POSTPONE,  # 6
}
"""Key codes of linux/input-event-codes.h and what they mean here; docs/devices/buttons.md lists them."""


class Keys:
    """The keys of one keypad from its opening on. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._down: dict[int, float] = {}
        self._counted: set[int] = set()

    def event(self, code: int, value: int, at_s: float) -> Press | None:
        """A key went down (1), repeats (2) or came up (0). One that was down at the opening means nothing."""
        press = MEANING.get(code)
        if press is None or value not in (0, 1):
            return None
        if value == 1:
            self._down.setdefault(code, at_s)
            return None
        since, counted = self._down.pop(code, None), code in self._counted
        self._counted.discard(code)
        if since is None or counted:
            return None
        held = at_s - since >= HOLD_S
        return press if held == (press is Press.STOP) else None

    def tick(self, at_s: float) -> Press | None:
        """Time has passed: a stop that is held long enough counts, without being let go."""
        for code, since in self._down.items():
            if MEANING[code] is Press.STOP and at_s - since >= HOLD_S and code not in self._counted:
                self._counted.add(code)
                return Press.STOP
        return None

    @property
    def holding(self) -> bool:
        """True while a stop is held and has not counted yet: call :meth:`tick` a few times a second."""
        return any(MEANING[code] is Press.STOP and code not in self._counted for code in self._down)
