"""/api/v1/urgent: urgent meetings (họp khẩn). What one would meet, start one, see who comes, call again."""

from __future__ import annotations

from enum import StrEnum

from diemcau_wire.messages import SiteId
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from ..actions.answer_urgent import decline_urgent, ring_again
from ..actions.find_occurrence import find_occurrence
from ..actions.start_urgent import UrgentSpec, clashes_with, outlook, start_urgent
from ..actions.taken_halls import Clash
from ..actions.urgent_now import Called, UrgentNow, urgent_now
from ..rules.actor import Actor
from .access import Core, Secretary, Viewer
from .answers import answers
from .views import View, text

router = APIRouter(prefix="/urgent", tags=["urgent"])


class HallVerb(StrEnum):
    """ring: call a hall that declined once more. decline: say no for a hall that telephoned."""

    RING = "ring"
    DECLINE = "decline"


class HallAnswer(BaseModel):
    """What to tell the unit of a hall."""

    model_config = ConfigDict(extra="forbid")
    site: SiteId
    verb: HallVerb


@router.get("")
def get_outlook(core: Core, who: Secretary) -> View:
    """What an urgent meeting would meet now: other meetings (they do not stop it), and sites that are better
    left out because a secret or a subject of security is being discussed there in person."""
    with core.database.read() as session:
        found = outlook(session, core.settings, who, core.now())
    return {
        "main_site": found.main_site,
        "clashes": [clash_view(clash) for clash in found.clashes],
        "apart": sorted(found.apart),
    }


@router.post("", status_code=201, responses=answers(404, 409, 422))
async def post_urgent(core: Core, who: Secretary, spec: UrgentSpec) -> View:
    """Start one now. `clashes` are the meetings whose halls it takes."""
    occurrence_id = await start_urgent(core, who, spec)
    with core.database.read() as session:
        occurrence = find_occurrence(session, who, occurrence_id, core.now())
        clashes = clashes_with(session, core.settings, core.now(), occurrence)
        return {
            "id": occurrence.id,
            "meeting": occurrence.meeting_id,
            "starts_at": text(occurrence.starts_at),
            "sites": occurrence.meeting.site_ids,
            "clashes": [clash_view(clash) for clash in clashes],
        }


@router.get("/{meeting}", responses=answers(404))
def get_urgent(core: Core, who: Viewer, meeting: str) -> View:
    """Who is in, who comes, who declined, whom to call; whom to call first comes first."""
    with core.database.read() as session:
        return urgent_view(read_urgent(core, session, who, meeting))


@router.post("/{meeting}/answers", status_code=204, responses=answers(404, 409, 422))
async def post_answer(core: Core, who: Secretary, meeting: str, said: HallAnswer) -> None:
    """Answer for a hall, or call it once more."""
    act = ring_again if said.verb is HallVerb.RING else decline_urgent
    await act(core, who, meeting, said.site)


def read_urgent(core: Core, session: Session, who: Actor, meeting: str) -> UrgentNow:
    """An urgent meeting as it stands, for who may see it. Reads much: not on the event loop."""
    return urgent_now(core, session, core.fleet.now(), who, meeting)


def clash_view(clash: Clash) -> View:
    """A meeting that has halls at the same time."""
    return {
        "meeting": clash.span.meeting,
        "occurrence": clash.span.occurrence,
        "title": clash.span.title,
        "starts_at": text(clash.span.starts_at),
        "ends_at": text(clash.span.ends_at),
        "sites": list(clash.sites),
    }


def urgent_view(now: UrgentNow) -> View:
    """Everything of :class:`UrgentNow` as JSON."""
    return {
        "id": now.now.occurrence.id,
        "title": now.now.occurrence.meeting.title,
        "phase": now.now.phase.value,
        "called_at": text(now.called_at),
        "elapsed_s": round(now.elapsed.total_seconds(), 1),
        "complete": now.complete,
        "sites": [_called_view(one) for one in now.halls],
    }


def _called_view(one: Called) -> View:
    return {
        "site": one.hall.site.id,
        "name": one.hall.site.name,
        "answer": one.answer.value,
        "busy": one.busy,
        "since": text(one.hall.since),
        "heard_at": text(one.heard_at),
        "contacts": one.hall.site.row.contacts,
    }
