"""An urgent meeting at this moment: who is in, who is on the way, whom to call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.board import connected
from ..rules.refusals import NotFound
from ..rules.urgent import Answer, answer, complete
from ..store.tables import EventRow, Heard, Occurrence
from .attendance import attendance_of
from .controller import Controller
from .find_occurrence import find_occurrence
from .fleet import Fleet
from .meeting_now import HallNow, MeetingNow, meeting_now

_ORDER = {one: place for place, one in enumerate(Answer)}


@dataclass(frozen=True, slots=True)
class Called:
    """A hall that was called. `busy`: in another meeting meanwhile. `heard_at`: when it said so last."""

    hall: HallNow
    answer: Answer
    busy: bool
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class UrgentNow:
    """`halls`: whom to call first, those who are in last. `called_at` is when it was started, `elapsed` the
    time since; once nobody is awaited any more it is `complete` and `elapsed` stands still."""

    now: MeetingNow
    called_at: datetime
    elapsed: timedelta
    complete: bool
    halls: tuple[Called, ...]

    def count(self, which: Answer) -> int:
        """How many halls answer so."""
        return sum(one.answer is which for one in self.halls)


def urgent_now(
    controller: Controller, session: Session, fleet: Fleet, who: Actor, occurrence_id: str
) -> UrgentNow:
    """The present state of an urgent meeting; only the halls in scope. Reads much: not on the event loop.

    Raises :class:`NotFound` for a meeting that is not urgent.
    """
    occurrence = find_occurrence(session, who, occurrence_id, controller.now())
    if not occurrence.meeting.urgent:
        raise NotFound(f"{occurrence.meeting.title} is no urgent meeting", code="urgent.not_urgent")
    now = meeting_now(controller, session, fleet, occurrence)
    declined, heard = declined_sites(session, occurrence), _heard(session, occurrence)
    halls = [_called(hall, occurrence, declined, heard) for hall in now.halls if who.sees(hall.site.id)]
    done = complete(one.answer for one in halls)
    called_at = occurrence.meeting.created_at
    until = (_last_entry(session, occurrence) if done else None) or controller.now()
    return UrgentNow(
        now=now,
        called_at=called_at,
        elapsed=max(timedelta(0), until - called_at),
        complete=done,
        halls=tuple(sorted(halls, key=_place)),
    )


def declined_sites(session: Session, occurrence: Occurrence) -> set[str]:
    """Sites that said no, once; whoever came in after all is told by the hall's standing."""
    rows = select(EventRow.site).where(EventRow.meeting == occurrence.id, EventRow.kind == "declined")
    return {site for site in session.scalars(rows) if site is not None}


def _last_entry(session: Session, occurrence: Occurrence) -> datetime | None:
    """When the last of those who came came in for the first time."""
    known = attendance_of(session, occurrence).values()
    return max((one.intervals[0].since for one in known if one.joined), default=None)


def _place(one: Called) -> tuple[int, bool, str]:
    return (_ORDER[one.answer], not one.hall.main, one.hall.site.search)


def _called(hall: HallNow, occurrence: Occurrence, declined: set[str], heard: dict[str, datetime]) -> Called:
    site = hall.site
    linked = site.unit is not None and connected(site.unit.status)
    said = site.newest.get("reported/session", {}) if linked else {}
    state = said.get("state") if said.get("meeting") == occurrence.id else None
    return Called(
        hall=hall,
        answer=answer(
            hall.standing,
            state,
            connected=site.unit is not None and site.unit.status == "online",
            declined=site.id in declined,
        ),
        busy=linked and said.get("meeting") not in (None, occurrence.id),
        heard_at=heard.get(site.id),
    )


def _heard(session: Session, occurrence: Occurrence) -> dict[str, datetime]:
    rows = select(Heard).where(Heard.occurrence_id == occurrence.id)
    return {row.site_id: row.at for row in session.scalars(rows)}
