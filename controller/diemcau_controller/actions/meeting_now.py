"""A meeting at this moment: who is in, who is missing, who speaks, who waits to speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.attendance import Attendance
from ..rules.board import rank
from ..rules.floor import Floor
from ..rules.standing import Phase, Standing, phase, standing
from ..store.tables import Hand, Occurrence
from .attendance import attendance_of
from .change_floor import floor_of
from .controller import Controller
from .fleet import Fleet, SiteNow
from .waiting_hands import waiting_hands


@dataclass(frozen=True, slots=True)
class HallNow:
    """A hall in a meeting. `watches` are the names of the sites on its screen; `since` is when it came in, or
    when it went. `mic` is `open`, `closed` or None where nothing is known."""

    site: SiteNow
    standing: Standing
    mic: str | None
    watches: tuple[str, ...]
    drop_outs: int
    since: datetime | None
    main: bool
    speaking: bool
    waiting: bool

    @property
    def shut(self) -> str:
        """What somebody in the hall shut, which nothing from outside undoes: `muted`, `stopped` or ""."""
        room = self.site.room
        return "stopped" if room.stopped else "muted" if room.muted else ""

    @property
    def connected(self) -> bool:
        """It is heard at once when it gets the floor."""
        return self.standing is Standing.IN_MEETING


@dataclass(frozen=True, slots=True)
class MeetingNow:
    """`halls`: who is missing first, the main site before others, then who is coming in, then who is in.
    `speakers`: those with the floor, in the order they got it. `hands`: those who wait, in their order."""

    occurrence: Occurrence
    main_name: str
    phase: Phase
    floor: Floor
    speakers: tuple[HallNow, ...]
    halls: tuple[HallNow, ...]
    hands: tuple[tuple[Hand, HallNow], ...]

    def seen_by(self, who: Actor) -> MeetingNow:
        """The same with those halls and hands that are in scope; who speaks is known to everybody in it."""
        return replace(
            self,
            halls=tuple(hall for hall in self.halls if who.sees(hall.site.id)),
            hands=tuple(one for one in self.hands if who.sees(one[0].site_id)),
        )

    @property
    def present(self) -> int:
        return sum(hall.connected for hall in self.halls)

    @property
    def missing(self) -> Sequence[HallNow]:
        return [hall for hall in self.halls if hall.standing.missing]


_ORDER = {
    Standing.DROPPED: 0,
    Standing.ABSENT: 0,
    Standing.RECONNECTING: 1,
    Standing.JOINING: 1,
    Standing.IN_MEETING: 2,
    Standing.LEFT: 3,
}


def meeting_now(controller: Controller, session: Session, fleet: Fleet, occurrence: Occurrence) -> MeetingNow:
    """The present state of an occurrence. `fleet` is `controller.fleet.now()`, asked off the event loop."""
    known = attendance_of(session, occurrence)
    hands = waiting_hands(session, occurrence.id)
    waiting = {hand.site_id for hand in hands}
    in_room = controller.in_room.get(occurrence.id, set())
    halls = {
        site: _hall(fleet, fleet.by_id[site], known[site], occurrence, site in in_room, site in waiting)
        for site in occurrence.meeting.site_ids
        if site in fleet.by_id and site in known
    }
    return MeetingNow(
        occurrence=occurrence,
        main_name=fleet.by_id[occurrence.meeting.main_site_id].name,
        phase=phase(
            occurrence.opens_at,
            occurrence.starts_at,
            occurrence.ends_at,
            occurrence.cap_at,
            occurrence.finished_at,
            controller.now(),
        ),
        floor=floor_of(occurrence),
        speakers=tuple(halls[site] for site in occurrence.floor_speakers if site in halls),
        halls=tuple(sorted(halls.values(), key=_place)),
        hands=tuple((hand, halls[hand.site_id]) for hand in hands if hand.site_id in halls),
    )


def _hall(
    fleet: Fleet, site: SiteNow, known: Attendance, occurrence: Occurrence, in_room: bool, waiting: bool
) -> HallNow:
    said = site.session_in(occurrence.id) or {}
    shown = [str(slot["site"]) for slot in said.get("slots", ()) if slot.get("site")]
    last = known.intervals[-1] if known.intervals else None
    return HallNow(
        site=site,
        standing=standing(said.get("state"), known, in_room=in_room),
        mic=said.get("mic"),
        watches=tuple(fleet.by_id[one].name if one in fleet.by_id else one for one in shown),
        drop_outs=known.drop_outs,
        since=None if last is None else last.until or last.since,
        main=site.id == occurrence.meeting.main_site_id,
        speaking=site.id in occurrence.floor_speakers,
        waiting=waiting,
    )


def _place(hall: HallNow) -> tuple[Any, ...]:
    return (_ORDER[hall.standing], not hall.main, rank(hall.site.state), hall.site.search)
