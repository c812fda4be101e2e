"""A hall asks for the floor: it raises its hand, takes it down, or the chair passes over it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.hands import question
from ..rules.refusals import Conflict, NotFound
from ..store.tables import Hand, Occurrence
from .audit import record
from .change_floor import floor_letters, floor_of, need_open, settle_floor
from .controller import Controller, Letter
from .find_occurrence import find_occurrence
from .scope import need_main_site
from .waiting_hands import waiting_hand


class Ending(StrEnum):
    """How a wish to speak ends when it is not granted: by the hall, or by the chair."""

    LOWERED = "lowered"
    DISMISSED = "dismissed"


async def raise_hand(
    controller: Controller, who: Actor, occurrence_id: str, site: str, text: str | None = ""
) -> None:
    """Ask for the floor for `site`, with a question if there is one (at most 300 letters).

    In a discussion the floor may be given at once. A hall that waits already keeps its place; its question
    becomes the new one, with None it stays. Raises :class:`Conflict` when the meeting is not open or the
    hall is speaking.
    """
    now = controller.now()
    line = question(text or "")

    def change(session: Session) -> tuple[str, bool, list[Letter]]:
        occurrence = _open_occurrence(session, who, occurrence_id, site, now)
        subject = f"meeting:{occurrence.id}"
        if site in occurrence.floor_speakers:
            raise Conflict(f"site {site} has the floor: it can speak now", code="hands.speaking", site=site)
        hand = waiting_hand(session, occurrence.id, site)
        if hand is None:
            session.add(Hand(occurrence_id=occurrence.id, site_id=site, text=line, raised_at=now))
            record(session, who, now, "hand.raise", subject, after={"site": site, "text": line})
        elif text is not None and hand.text != line:
            record(session, who, now, "hand.reword", subject, before={site: hand.text}, after={site: line})
            hand.text = line
        session.flush()
        present = floor_of(occurrence)
        if present.open:
            admitted = settle_floor(session, controller, who, occurrence, "admit", present)
            if admitted:
                return occurrence.id, True, admitted
        return occurrence.id, False, floor_letters(session, controller, occurrence, site)

    occurrence, admitted, letters = await controller.write(change)
    controller.send(letters)
    controller.news.tell("hand", meeting=occurrence, site=site)
    if admitted:
        controller.news.tell("floor", meeting=occurrence)


async def lower_hand(
    controller: Controller, who: Actor, occurrence_id: str, site: str, ending: Ending = Ending.LOWERED
) -> None:
    """Take down the hand of `site`; its unit is told. Raises :class:`NotFound` when it is not raised."""
    now = controller.now()

    def change(session: Session) -> tuple[str, list[Letter]]:
        occurrence = _open_occurrence(session, who, occurrence_id, site, now)
        if ending is Ending.DISMISSED:
            need_main_site(who, occurrence.meeting)
        hand = waiting_hand(session, occurrence.id, site)
        if hand is None:
            raise NotFound(f"site {site} has not raised its hand", code="hands.not_raised", site=site)
        hand.ended_at, hand.ended = now, ending.value
        was = {"site": site, "text": hand.text}
        record(session, who, now, f"hand.{ending.value}", f"meeting:{occurrence.id}", before=was)
        session.flush()
        return occurrence.id, floor_letters(session, controller, occurrence, site)

    occurrence, letters = await controller.write(change)
    controller.send(letters)
    controller.news.tell("hand", meeting=occurrence, site=site)


def _open_occurrence(
    session: Session, who: Actor, occurrence_id: str, site: str, now: datetime
) -> Occurrence:
    occurrence = find_occurrence(session, who, occurrence_id, now)
    if site not in occurrence.meeting.site_ids or not who.sees(site):
        raise NotFound(f"there is no site {site[:80]} in this meeting", code="sites.unknown", site=site)
    need_open(occurrence, now)
    return occurrence
