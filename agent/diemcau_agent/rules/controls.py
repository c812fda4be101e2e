"""What people in the hall decide themselves: mute, stop, a raised hand.

Mute closes the microphone and stop closes camera and microphone, whatever the floor says, for as long as the
meeting lasts: over every re-join, every fresh media process and every power cut. Only the hall undoes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from diemcau_wire.messages import EventKind

from .actions import Emit

_KEPT = 20


class Control(StrEnum):
    """What can be pressed for the meeting the hall is in."""

    MUTE = "mute"
    STOP = "stop"
    HAND = "hand"


@dataclass(frozen=True, slots=True)
class Local:
    """What the hall decided for one meeting."""

    muted: bool = False
    stopped: bool = False
    hand: bool = False

    @property
    def lets_hear(self) -> bool:
        """True when the hall lets its microphone be opened."""
        return not (self.muted or self.stopped)


NOTHING = Local()
_SAID = {Control.MUTE: EventKind.LOCAL_MUTE, Control.STOP: EventKind.LOCAL_STOP}
_FIELD = {Control.MUTE: "muted", Control.STOP: "stopped", Control.HAND: "hand"}


class Controls:
    """What the hall decided, by meeting. `said`: `LOCAL_MUTE` and `LOCAL_STOP` of an earlier run of this
    unit, oldest first, with their meeting and whether it was on."""

    def __init__(self, said: Iterable[tuple[str, EventKind, bool]] = ()) -> None:
        self._by_meeting: dict[str, Local] = {}
        self._told_hand: tuple[str, bool] | None = None
        fields = {_SAID[control]: _FIELD[control] for control in _SAID}
        for meeting, kind, on in said:
            self._keep(meeting, replace(self.of(meeting), **{fields[kind]: on}))

    def of(self, meeting: str | None) -> Local:
        """What was decided for `meeting`; nothing outside one."""
        return self._by_meeting.get(meeting, NOTHING) if meeting is not None else NOTHING

    def press(self, control: Control, on: bool | None, meeting: str) -> list[Emit]:
        """Somebody in the hall switches `control` on or off, or over (None)."""
        field, local = _FIELD[control], self.of(meeting)
        before: bool = getattr(local, field)
        after = not before if on is None else on
        if after == before:
            return []
        self._keep(meeting, replace(local, **{field: after}))
        if control is Control.HAND:
            return [Emit(EventKind.HAND_RAISED if after else EventKind.HAND_LOWERED, meeting)]
        return [Emit(_SAID[control], meeting, {"on": after})]

    def told_of_hand(self, meeting: str, up: bool | None) -> None:
        """The controller says whether this hall waits for the floor (None: it does not say). What it says
        anew counts: the chair lowered the hand, or somebody raised it on a phone. What it only repeats does
        not, for it may not know yet what was just pressed here."""
        told = self._told_hand
        before = told[1] if told is not None and told[0] == meeting else False
        if up is None or up == before:
            return
        self._told_hand = meeting, up
        self._keep(meeting, replace(self.of(meeting), hand=up))

    def _keep(self, meeting: str, local: Local) -> None:
        self._by_meeting[meeting] = local
        while len(self._by_meeting) > _KEPT:
            del self._by_meeting[next(iter(self._by_meeting))]
