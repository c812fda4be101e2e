"""A hall's visits to meetings, told in events: `joined (dropped rejoined)* dropped? left`, each once."""

from __future__ import annotations

from dataclasses import dataclass

from diemcau_wire.messages import EventKind

from .actions import Emit


@dataclass(frozen=True, slots=True)
class Visit:
    """A meeting this unit joined and has not left yet, as its outbox remembers it after a restart."""

    meeting: str
    connected: bool


class Visits:
    """The visit that is not over yet, if there is one. Every method gives the events that follow."""

    def __init__(self, unfinished: Visit | None) -> None:
        self._visit = unfinished

    @property
    def meeting(self) -> str | None:
        """The meeting that is visited, connected at the moment or not."""
        return None if self._visit is None else self._visit.meeting

    def joined(self, meeting: str, ms: int) -> list[Emit]:
        """The unit is in `meeting`, `ms` after its media process was started."""
        again = self.meeting == meeting
        events = [] if again else self.over("another_meeting")
        self._visit = Visit(meeting, connected=True)
        return [*events, Emit(EventKind.REJOINED if again else EventKind.JOINED, meeting, {"ms": ms})]

    def dropped(self, meeting: str | None, data: dict[str, object]) -> list[Emit]:
        """The unit was in `meeting` and is cut off from it."""
        self._visit = Visit(meeting or "", connected=False)
        return [Emit(EventKind.DROPPED, meeting, data)]

    def cut_off(self) -> list[Emit]:
        """Nothing runs: if a visit is remembered as connected, this unit was cut off in it."""
        if self._visit is None or not self._visit.connected:
            return []
        return self.dropped(self._visit.meeting, {"why": "unit_restarted"})

    def over(self, why: str) -> list[Emit]:
        """The visit is over."""
        visit, self._visit = self._visit, None
        return [] if visit is None else [Emit(EventKind.LEFT, visit.meeting, {"why": why})]
