"""Change who is seen and heard: first the database, then the units; the floor keeper follows in Janus."""

from __future__ import annotations

from enum import StrEnum

from diemcau_wire.messages import Floor as FloorMessage
from diemcau_wire.topics import Channel
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules import floor
from ..rules.actor import Actor
from ..rules.refusals import Conflict, Invalid
from ..store.tables import Invitation, Occurrence, Site, Unit
from .audit import record
from .controller import Controller, Letter
from .find_occurrence import find_occurrence
from .scope import need_main_site


class FloorVerb(StrEnum):
    """What can be done with the floor."""

    GRANT = "grant"
    END = "end"
    MUTE_ALL = "mute-all"


async def change_floor(
    controller: Controller,
    who: Actor,
    occurrence_id: str,
    verb: FloorVerb,
    site: str | None = None,
    *,
    add: bool = False,
) -> floor.Floor:
    """Grant, end or mute all in a meeting that is open; gives the new floor."""
    now = controller.now()

    def change(session: Session) -> tuple[str, floor.Floor, list[Letter]]:
        occurrence = find_occurrence(session, who, occurrence_id, now)
        need_main_site(who, occurrence.meeting)
        if occurrence.finished_at is not None or now >= occurrence.cap_at:
            raise Conflict(f"meeting {occurrence.id} is over: its floor cannot change", code="meetings.over")
        if now < occurrence.opens_at:
            raise Conflict(
                f"meeting {occurrence.id} is not open yet: it opens {occurrence.opens_at:%Y-%m-%d %H:%M} UTC",
                code="meetings.not_open",
            )
        meeting = occurrence.meeting
        present = floor.Floor(occurrence.floor_seq, tuple(occurrence.floor_speakers))
        if verb is FloorVerb.GRANT:
            if site is None:
                raise Invalid("name the site that gets the floor")
            after = floor.grant(present, site, meeting.site_ids, meeting.main_site_id, add=add)
        elif verb is FloorVerb.END:
            after = floor.end(present, site, meeting.main_site_id)
        else:
            after = floor.mute_all(present)
        occurrence.floor_seq, occurrence.floor_speakers = after.seq, list(after.speakers)
        session.flush()
        record(
            session,
            who,
            now,
            f"floor.{verb}",
            f"meeting:{occurrence.id}",
            before={"speakers": list(present.speakers)},
            after={"speakers": list(after.speakers)},
        )
        return occurrence.id, after, floor_letters(session, controller, occurrence)

    changed, after, letters = await controller.write(change)
    controller.send(letters)
    controller.news.tell("floor", meeting=changed)
    return after


def floor_letters(session: Session, controller: Controller, occurrence: Occurrence) -> list[Letter]:
    """The present floor of an occurrence, for each unit of the meeting."""
    at = controller.now()
    named = select(Site.id, Site.name).where(Site.id.in_(occurrence.floor_speakers))
    names = {site: name for site, name in session.execute(named)}
    units = session.scalars(
        select(Unit.id)
        .join(Invitation, Invitation.site_id == Unit.site_id)
        .where(Invitation.meeting_id == occurrence.meeting_id)
    )
    return [
        Letter(
            FloorMessage(
                unit=unit,
                meeting=occurrence.id,
                seq=occurrence.floor_seq,
                speakers=list(occurrence.floor_speakers),
                names=names,
                at=at,
            ),
            Channel.FLOOR,
        )
        for unit in units
    ]
