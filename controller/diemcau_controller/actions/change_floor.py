"""Change who is seen and heard: first the database, then the units; the floor keeper follows in Janus."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from diemcau_wire.messages import Floor as FloorMessage
from diemcau_wire.messages import SessionState
from diemcau_wire.topics import Channel
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules import floor
from ..rules.actor import Actor
from ..rules.refusals import Conflict, Invalid
from ..store.tables import Invitation, Newest, Occurrence, Site, Unit
from .audit import record
from .controller import Controller, Letter
from .find_occurrence import find_occurrence
from .scope import need_main_site
from .waiting_hands import waiting_hands


class FloorVerb(StrEnum):
    """What can be done with the floor."""

    GRANT = "grant"
    END = "end"
    MUTE_ALL = "mute-all"
    OPEN_DISCUSSION = "open-discussion"
    CLOSE_DISCUSSION = "close-discussion"


async def change_floor(
    controller: Controller,
    who: Actor,
    occurrence_id: str,
    verb: FloorVerb,
    site: str | None = None,
    *,
    add: bool = False,
) -> floor.Floor:
    """Do that with the floor of a meeting that is open; gives the new floor.

    A hall that gets the floor need not be connected: it is heard once it is in. Its raised hand goes down.
    """
    now = controller.now()

    def change(session: Session) -> tuple[str, floor.Floor, list[Letter]]:
        occurrence = find_occurrence(session, who, occurrence_id, now)
        need_main_site(who, occurrence.meeting)
        need_open(occurrence, now)
        main_site, present = occurrence.meeting.main_site_id, floor_of(occurrence)
        if verb is FloorVerb.GRANT:
            if site is None:
                raise Invalid("name the site that gets the floor", code="floor.no_site", field="site")
            after = floor.grant(present, site, occurrence.meeting.site_ids, main_site, add=add)
        elif verb is FloorVerb.END:
            after = floor.end(present, site, main_site)
        elif verb is FloorVerb.MUTE_ALL:
            after = floor.mute_all(present)
        elif verb is FloorVerb.OPEN_DISCUSSION:
            after = floor.open_discussion(present)
        else:
            after = floor.close_discussion(present, main_site)
        letters = settle_floor(session, controller, who, occurrence, verb.value, after)
        return occurrence.id, floor_of(occurrence), letters

    changed, after, letters = await controller.write(change)
    controller.send(letters)
    controller.news.tell("floor", meeting=changed)
    return after


def floor_of(occurrence: Occurrence) -> floor.Floor:
    """The stored floor as the rules see it."""
    return floor.Floor(occurrence.floor_seq, tuple(occurrence.floor_speakers), occurrence.open_discussion)


def need_open(occurrence: Occurrence, now: datetime) -> None:
    """Refuse what can only be done while people may be in the meeting."""
    if occurrence.finished_at is not None or now >= occurrence.cap_at:
        raise Conflict(f"meeting {occurrence.id} is over: nothing in it can change", code="meetings.over")
    if now < occurrence.opens_at:
        raise Conflict(
            f"meeting {occurrence.id} is not open yet: it opens {occurrence.opens_at:%Y-%m-%d %H:%M} UTC",
            code="meetings.not_open",
        )
    need_here(occurrence)


def need_here(occurrence: Occurrence) -> None:
    """Refuse what has no sense for a meeting that only holds its halls."""
    if occurrence.meeting.mode != "here":
        raise Conflict(
            f"meeting {occurrence.id} is not held on this system: it has no floor here",
            code="meetings.not_here",
        )


def settle_floor(
    session: Session,
    controller: Controller,
    who: Actor,
    occurrence: Occurrence,
    action: str,
    after: floor.Floor,
) -> list[Letter]:
    """Store a new floor, inside a transaction: in a discussion those who wait are let in, and whoever has the
    floor waits no longer. Gives what the units are to be told, nothing when all stays as it is."""
    before, at = floor_of(occurrence), controller.now()
    hands = waiting_hands(session, occurrence.id)
    if after.open:
        inside = in_meeting(session, occurrence.id)
        after = floor.admit(after, [hand.site_id for hand in hands if hand.site_id in inside])
    if after == before:
        return []
    occurrence.floor_seq, occurrence.floor_speakers = after.seq, list(after.speakers)
    occurrence.open_discussion = after.open
    for hand in hands:
        if hand.site_id in after.speakers:
            hand.ended_at, hand.ended = at, "granted"
    session.flush()
    record(
        session,
        who,
        at,
        f"floor.{action}",
        f"meeting:{occurrence.id}",
        before={"speakers": list(before.speakers), "open_discussion": before.open},
        after={"speakers": list(after.speakers), "open_discussion": after.open},
    )
    return floor_letters(session, controller, occurrence)


def in_meeting(session: Session, occurrence_id: str) -> set[str]:
    """The sites whose units say that they are in this meeting."""
    said = select(Unit.site_id, Newest.document).join(Newest, Newest.unit == Unit.id)
    said = said.where(Newest.channel == Channel.REPORTED_SESSION, Unit.status.in_(("online", "silent")))
    return {
        site
        for site, document in session.execute(said)
        if site is not None
        and document.get("meeting") == occurrence_id
        and document.get("state") == SessionState.IN_MEETING
    }


def floor_letters(
    session: Session, controller: Controller, occurrence: Occurrence, site: str | None = None
) -> list[Letter]:
    """The present floor of an occurrence, for each unit of the meeting, or for that of one `site`; each is
    told whether its own hall waits for the floor."""
    at = controller.now()
    waiting = {hand.site_id for hand in waiting_hands(session, occurrence.id)}
    named = select(Site.id, Site.name).where(Site.id.in_(occurrence.floor_speakers))
    names = {site: name for site, name in session.execute(named)}
    units = (
        select(Unit.id, Invitation.site_id)
        .join(Invitation, Invitation.site_id == Unit.site_id)
        .where(Invitation.meeting_id == occurrence.meeting_id)
    )
    if site is not None:
        units = units.where(Invitation.site_id == site)
    return [
        Letter(
            FloorMessage(
                unit=unit,
                meeting=occurrence.id,
                seq=occurrence.floor_seq,
                speakers=list(occurrence.floor_speakers),
                names=names,
                hand=hall in waiting,
                at=at,
            ),
            Channel.FLOOR,
        )
        for unit, hall in session.execute(units)
    ]
