"""Following the floor in a meeting: what media is told when it changes, and what goes into the record."""

from __future__ import annotations

from diemcau_wire.messages import EventKind

from .actions import Action, Emit, SendFloor
from .controls import Local
from .floor import Slots


class Following:
    """What the media process was last told, and whether this hall has the floor."""

    def __init__(self) -> None:
        self._sent: SendFloor | None = None
        self._speaking = False

    def anew(self) -> None:
        """A fresh media process was told nothing yet."""
        self._sent = None

    def tell(self, slots: Slots, local: Local) -> list[Action]:
        """Media shall know the floor, and what the hall itself lets be open."""
        floor = SendFloor(slots, mic=slots.speaking and local.lets_hear, camera=not local.stopped)
        if floor == self._sent:
            return []
        self._sent = floor
        return [floor]

    def speaks(self, speaking: bool, meeting: str | None) -> list[Emit]:
        """Whether this hall is in the meeting and has the floor there."""
        if speaking == self._speaking:
            return []
        self._speaking = speaking
        return [Emit(EventKind.FLOOR_TAKEN if speaking else EventKind.FLOOR_LEFT, meeting)]
