"""A hall says that it hears the meeting well."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import NotFound
from ..store.tables import Heard
from .audit import record
from .change_floor import need_open
from .controller import Controller
from .find_occurrence import find_occurrence


async def hears_well(controller: Controller, who: Actor, occurrence_id: str, site: str) -> None:
    """Note that `site` hears well, as of now; said again it counts from then.

    Raises :class:`Conflict` while the meeting is not open.
    """
    now = controller.now()

    def change(session: Session) -> str:
        occurrence = find_occurrence(session, who, occurrence_id, now)
        if site not in occurrence.meeting.site_ids or not who.sees(site):
            raise NotFound(f"there is no site {site[:80]} in this meeting", code="sites.unknown", site=site)
        need_open(occurrence, now)
        row = session.get(Heard, (occurrence.id, site))
        if row is None:
            session.add(Heard(occurrence_id=occurrence.id, site_id=site, at=now))
        else:
            row.at = now
        record(session, who, now, "hall.hears", f"meeting:{occurrence.id}", after={"site": site})
        return occurrence.id

    meeting = await controller.write(change)
    controller.news.tell("attendees", meeting=meeting, site=site)
