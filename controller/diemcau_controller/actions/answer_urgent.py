"""A hall's answer to an urgent meeting, given for it: it declines, or is called once more."""

from __future__ import annotations

from diemcau_wire.messages import Verb
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Conflict, NotFound
from ..store.tables import Occurrence, Site
from .controller import Controller
from .find_occurrence import find_occurrence
from .send_command import send_command

_LIMIT_S = 6.0


async def decline_urgent(controller: Controller, who: Actor, occurrence_id: str, site: str) -> None:
    """Have the hall say no while it rings. Raises :class:`Conflict` when it does not ring (any more)."""
    await _tell(controller, who, occurrence_id, site, Verb.DECLINE)


async def ring_again(controller: Controller, who: Actor, occurrence_id: str, site: str) -> None:
    """Have a hall that declined ring once more. Raises :class:`Conflict` when it did not decline."""
    await _tell(controller, who, occurrence_id, site, Verb.RING)


async def _tell(controller: Controller, who: Actor, occurrence_id: str, site: str, verb: Verb) -> None:
    with controller.database.read() as session:
        occurrence, unit = _called(session, controller, who, occurrence_id, site)
    ack = await send_command(controller, who, unit, verb, {"meeting": occurrence.id}, _LIMIT_S)
    if not ack.ok:
        raise Conflict(
            f"the hall's unit says: {ack.text or ack.error}", code=f"urgent.{ack.error or 'refused'}"
        )
    controller.news.tell("event", meeting=occurrence.id, site=site)


def _called(
    session: Session, controller: Controller, who: Actor, occurrence_id: str, site_id: str
) -> tuple[Occurrence, str]:
    occurrence = find_occurrence(session, who, occurrence_id, controller.now())
    if site_id not in occurrence.meeting.site_ids or not who.sees(site_id):
        raise NotFound(f"there is no site {site_id[:80]} in this meeting", code="sites.unknown", site=site_id)
    if not occurrence.meeting.urgent:
        raise NotFound(f"{occurrence.meeting.title} is no urgent meeting", code="urgent.not_urgent")
    site = session.get_one(Site, site_id)
    if site.unit is None:
        raise Conflict(f"site {site_id} has no unit: call it by telephone", code="urgent.no_unit")
    return occurrence, site.unit.id
