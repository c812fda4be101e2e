"""/api/v1/meetings/{meeting}: the meeting while it runs. Who is in, who speaks, how long it lasts.

`meeting` is an occurrence's id, or the meeting's for the one that runs or comes next.
"""

from __future__ import annotations

from typing import Annotated

from diemcau_wire.messages import SiteId
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from ..actions.chair_link import chair_link, renew_chair_link
from ..actions.change_floor import FloorVerb, change_floor
from ..actions.controller import Controller
from ..actions.extend_meeting import MOST_MINUTES, extend_meeting
from ..actions.find_occurrence import find_occurrence
from ..actions.meeting_now import HallNow, MeetingNow, meeting_now
from ..actions.scope import need_main_site
from ..rules.actor import Actor
from .access import Core, Secretary, Viewer
from .answers import answers
from .views import View, text

router = APIRouter(prefix="/meetings", tags=["floor"])


class FloorChange(BaseModel):
    """`grant` needs a site (`add`: beside those who speak); `end` without one ends for all."""

    model_config = ConfigDict(extra="forbid")
    verb: FloorVerb
    site: SiteId | None = None
    add: bool = False


class Extension(BaseModel):
    """How much later the meeting ends."""

    model_config = ConfigDict(extra="forbid")
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)]


@router.get("/{meeting}/floor", responses=answers(404))
def get_floor(core: Core, who: Viewer, meeting: str) -> View:
    """Who has the floor, who waits for it, and how every hall in scope stands."""
    with core.database.read() as session:
        return floor_view(read_meeting(core, session, who, meeting))


@router.post("/{meeting}/floor", responses=answers(404, 409, 422))
async def post_floor(core: Core, who: Secretary, meeting: str, change: FloorChange) -> View:
    """Change who is seen and heard; gives the new floor."""
    floor = await change_floor(core, who, meeting, change.verb, change.site, add=change.add)
    return {"seq": floor.seq, "speakers": list(floor.speakers), "open_discussion": floor.open}


@router.post("/{meeting}/extend", responses=answers(404, 409, 422))
async def post_extension(core: Core, who: Secretary, meeting: str, extension: Extension) -> View:
    """Let it last longer: from its announced end, or from now where that has passed."""
    return {"ends_at": text(await extend_meeting(core, who, meeting, extension.minutes))}


@router.get("/{meeting}/chair-link", responses=answers(404))
def get_chair_link(core: Core, who: Secretary, meeting: str) -> View:
    """The address of the chair's page, for whoever holds it; null when none was made."""
    with core.database.read() as session:
        occurrence = find_occurrence(session, who, meeting, core.now())
        need_main_site(who, occurrence.meeting)
        return {"url": chair_link(core, occurrence)}


@router.post("/{meeting}/chair-link", responses=answers(404, 409))
async def post_chair_link(core: Core, who: Secretary, meeting: str) -> View:
    """Make a new address of the chair's page; the earlier one is worth nothing from now on."""
    return {"url": chair_link(core, await renew_chair_link(core, who, meeting))}


def read_meeting(core: Controller, session: Session, who: Actor, meeting: str) -> MeetingNow:
    """A meeting as it stands, with what is in scope. Reads much: not on the event loop."""
    occurrence = find_occurrence(session, who, meeting, core.now())
    return meeting_now(core, session, core.fleet.now(), occurrence).seen_by(who)


def floor_view(now: MeetingNow) -> View:
    """Floor, queue and halls."""
    return {
        "meeting": now.occurrence.id,
        "phase": now.phase.value,
        "seq": now.floor.seq,
        "speakers": list(now.floor.speakers),
        "open_discussion": now.floor.open,
        "hands": [
            {"site": hand.site_id, "text": hand.text, "raised_at": text(hand.raised_at)}
            for hand, _ in now.hands
        ],
        "sites": [_hall_view(hall) for hall in now.halls],
    }


def _hall_view(hall: HallNow) -> View:
    return {
        "site": hall.site.id,
        "name": hall.site.name,
        "state": hall.site.state,
        "standing": hall.standing.value,
        "mic": hall.mic,
        "watches": list(hall.watches),
        "drop_outs": hall.drop_outs,
        "since": text(hall.since),
        "line": hall.site.line,
        "rtt_ms": hall.site.rtt_ms,
        "contacts": hall.site.row.contacts,
        "has_floor": hall.speaking,
    }
