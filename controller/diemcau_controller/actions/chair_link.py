"""The chair's link: the floor of one meeting on a phone, without an account."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.refusals import Conflict, NotFound
from ..store.tables import Occurrence
from .audit import record
from .change_floor import need_here
from .controller import Controller
from .find_occurrence import find_occurrence
from .meeting_links import chair_token, is_chairs
from .scope import need_main_site


def chair_link(controller: Controller, occurrence: Occurrence) -> str | None:
    """The address of the chair's page of an occurrence; None when no link was made yet."""
    if occurrence.chair_link == 0:
        return None
    return f"{controller.settings.web_url}/chair/{occurrence.id}/{chair_token(occurrence)}"


async def renew_chair_link(controller: Controller, who: Actor, occurrence_id: str) -> Occurrence:
    """Make a link for the chair; the earlier ones are worth nothing from now on. Gives the occurrence."""
    now = controller.now()

    def change(session: Session) -> Occurrence:
        occurrence = find_occurrence(session, who, occurrence_id, now)
        need_main_site(who, occurrence.meeting)
        need_here(occurrence)
        if occurrence.finished_at is not None or now >= occurrence.cap_at:
            raise Conflict(f"meeting {occurrence.id} is over: it needs no link", code="meetings.over")
        occurrence.chair_link += 1
        link = {"link": occurrence.chair_link}
        record(session, who, now, "chair.link", f"meeting:{occurrence.id}", after=link)
        return occurrence

    occurrence = await controller.write(change)
    controller.news.tell("floor", meeting=occurrence.id)
    return occurrence


def chair_of(controller: Controller, session: Session, occurrence_id: str, token: str) -> Actor:
    """Who acts by a chair's link: the floor of that meeting and nothing else is theirs to change.

    Raises :class:`NotFound` for an address that is none or no longer; the time is for the caller to look at.
    """
    occurrence = session.get(Occurrence, occurrence_id)
    if occurrence is None or not is_chairs(occurrence, token):
        raise NotFound(
            "this link is not valid any more: ask the secretary for the new one", code="links.unknown"
        )
    return Actor("chair", Role.SECRETARY, frozenset(occurrence.meeting.site_ids))
