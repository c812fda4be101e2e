"""What a hall's phone page knows: one hall in one meeting, for whoever holds the address from its screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.refusals import NotFound
from ..rules.standing import Standing
from ..store.tables import Attendee, Hand, Heard, Incident, Occurrence
from .attendees import attendee_rows
from .controller import Controller
from .fleet import Fleet
from .meeting_links import is_halls
from .meeting_now import HallNow, MeetingNow, meeting_now
from .urgent_now import declined_sites
from .waiting_hands import waiting_hand

BEFORE = timedelta(minutes=30)
AFTER = timedelta(minutes=60)


class LinkEarly(NotFound):
    """The meeting is not near yet; `values["since"]` is when the page is of use."""

    code = "hall.early"


class LinkOver(NotFound):
    """The meeting has been over for an hour."""

    code = "hall.over"


@dataclass(frozen=True, slots=True)
class HallPage:
    """`hand` is raised and waits; `place` is its place in the queue, from 1. `rings`: an urgent meeting calls
    and can be declined. `speaking`: the hall has the floor. `incidents` are open at this site."""

    now: MeetingNow
    hall: HallNow
    hand: Hand | None
    place: int
    speaking: bool
    rings: bool
    declined: bool
    heard_at: datetime | None
    people: Sequence[Attendee]
    incidents: Sequence[Incident]


def hall_actor(
    controller: Controller, session: Session, occurrence_id: str, site: str, token: str
) -> tuple[Actor, Occurrence]:
    """Who acts by a hall's address: that hall in that meeting is theirs, and nothing else.

    Raises :class:`NotFound` for an address that is none, :class:`LinkEarly` more than 30 minutes before the
    opening and :class:`LinkOver` more than 60 minutes after the end.
    """
    occurrence = session.get(Occurrence, occurrence_id)
    if (
        occurrence is None
        or not is_halls(session, occurrence, site, token)
        or site not in occurrence.meeting.site_ids
    ):
        raise NotFound("there is no such page: scan the code on the hall's screen again", code="hall.unknown")
    now, since = controller.now(), occurrence.opens_at - BEFORE
    if now < since:
        raise LinkEarly(f"this page opens at {since:%H:%M} UTC: come back then", since=since)
    if now > (occurrence.finished_at or occurrence.cap_at) + AFTER:
        raise LinkOver("this meeting is over: its page is closed")
    return Actor(f"hall:{site}", Role.CONTRACTOR, frozenset({site})), occurrence


def hall_page(
    controller: Controller, session: Session, fleet: Fleet, occurrence: Occurrence, site: str
) -> HallPage:
    """The page's content. Reads the whole meeting: not on the event loop."""
    now = meeting_now(controller, session, fleet, occurrence)
    hall = next((one for one in now.halls if one.site.id == site), None)
    if hall is None:
        raise NotFound("there is no such page: scan the code on the hall's screen again", code="hall.unknown")
    said = hall.site.session_in(occurrence.id) or {}
    inside = hall.standing in (Standing.IN_MEETING, Standing.JOINING, Standing.RECONNECTING)
    answered = site in declined_sites(session, occurrence) and said.get("state") != "countdown"
    order = [hand.site_id for hand, _ in now.hands]
    heard = session.get(Heard, (occurrence.id, site))
    open_ones = select(Incident).where(Incident.site_id == site, Incident.closed_at.is_(None))
    return HallPage(
        now=now,
        hall=hall,
        hand=waiting_hand(session, occurrence.id, site),
        place=order.index(site) + 1 if site in order else 0,
        speaking=site in now.floor.speakers and now.phase.live,
        rings=occurrence.meeting.urgent and now.phase.live and not inside and not answered,
        declined=answered and not inside,
        heard_at=heard.at if heard is not None else None,
        people=attendee_rows(session, occurrence, site),
        incidents=session.scalars(open_ones.order_by(Incident.opened_at)).all(),
    )
