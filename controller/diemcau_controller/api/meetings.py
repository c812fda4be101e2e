"""/api/v1/meetings: announcing, changing, calling off.

Wherever one occurrence is meant, its id does, or the meeting's id for the one that runs or comes next.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from diemcau_wire.messages import SiteId
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from ..actions.add_meeting import add_meeting
from ..actions.change_date import Move, Skip, move_date, restore_date, skip_date
from ..actions.change_meeting import change_meeting
from ..actions.close_meeting import cancel_meeting, close_meeting
from ..actions.confirm_gate import GateConfirmation, confirm_gate
from ..actions.controller import Controller
from ..actions.find_occurrence import find_occurrence
from ..actions.invited import invited
from ..actions.meeting_spec import Ids, MeetingPatch, MeetingSpec, Sites
from ..actions.scope import meeting_for, need_main_site
from ..kept_secret import kept_secret
from ..rules import tickets
from ..rules.actor import Actor
from ..store.tables import Meeting, Occurrence
from .access import Administrator, Core, Secretary, Viewer
from .answers import answers
from .views import View, attendance_view, join_info, meeting_view

router = APIRouter(prefix="/meetings", tags=["meetings"])


class Invitation(BaseModel):
    """Who is meant: as in a meeting to announce."""

    model_config = ConfigDict(extra="forbid")
    main_site: SiteId
    sites: Sites | None = None
    areas: Ids | None = None
    groups: Ids | None = None
    without: Sites = []


@router.get("", responses=answers(422))
def list_meetings(core: Core, who: Viewer, past_days: Annotated[int, Query(ge=0, le=3650)] = 1) -> list[View]:
    """Meetings that have an occurrence in the horizon or in the last days, with these."""
    since = core.now() - timedelta(days=past_days)
    with core.database.read() as session:
        recent = select(Occurrence.meeting_id).where(Occurrence.cap_at > since)
        later = (
            Meeting.cancelled_at.is_(None)
            & ~select(Occurrence.id).where(Occurrence.meeting_id == Meeting.id).exists()
        )
        rows = session.scalars(
            select(Meeting)
            .options(selectinload(Meeting.exceptions), selectinload(Meeting.attachments))
            .where(Meeting.id.in_(recent) | later)
            .order_by(Meeting.starts_local)
        )
        return [meeting_view(session, who, row, since) for row in rows if who.sees_any(row.site_ids)]


@router.post("", status_code=201, responses=answers(404, 409, 422))
async def post_meeting(core: Core, who: Secretary, spec: MeetingSpec) -> View:
    """Announce a meeting.

    409 with code `schedule.conflict` when halls are taken (`values` has the meetings and ways out), with
    `gate.ask` when words suggest a subject that must not be online: send it again with `subject_checked`.
    """
    return _announced(core, who, await add_meeting(core, who, spec))


@router.post("/invited", responses=answers(422))
def post_invited(core: Core, who: Secretary, meant: Invitation) -> View:
    """Which sites an invitation comes to; nothing is stored."""
    with core.database.read() as session:
        sites = invited(
            session,
            who,
            meant.main_site,
            sites=meant.sites,
            areas=meant.areas,
            groups=meant.groups,
            without=meant.without,
        )
    return {"count": len(sites), "sites": sites}


@router.get("/{meeting}", responses=answers(404))
def get_meeting(core: Core, who: Viewer, meeting: str) -> View:
    """One occurrence: who is in, who has the floor."""
    with core.database.read() as session:
        return attendance_view(session, who, find_occurrence(session, who, meeting, core.now()))


@router.get("/{meeting}/announcement", responses=answers(404))
def get_announcement(core: Core, who: Viewer, meeting: str) -> View:
    """A meeting (its own id) as announced, with its version, exceptions, documents and occurrences."""
    return _announced(core, who, meeting)


@router.patch("/{meeting}", responses=answers(404, 409, 422))
async def patch_meeting(core: Core, who: Secretary, meeting: str, patch: MeetingPatch) -> View:
    """Change a meeting (its own id); gives the one that has the change.

    409 with code `schedule.changed_meanwhile` when somebody else changed it since `version`.
    """
    return _announced(core, who, await change_meeting(core, who, meeting, patch))


@router.delete("/{meeting}", status_code=204, responses=answers(404))
async def delete_meeting(core: Core, who: Secretary, meeting: str) -> None:
    """Call off a meeting (the meeting's id): all its occurrences that are not over."""
    await cancel_meeting(core, who, meeting)


@router.post("/{meeting}/skip", responses=answers(404, 409, 422))
async def post_skip(core: Core, who: Secretary, meeting: str, skip: Skip) -> View:
    """A date (an occurrence's id) is not held."""
    return _announced(core, who, await skip_date(core, who, meeting, skip.reason))


@router.post("/{meeting}/move", responses=answers(404, 409, 422))
async def post_move(core: Core, who: Secretary, meeting: str, move: Move) -> View:
    """A date (an occurrence's id) is held at another time."""
    return _announced(core, who, await move_date(core, who, meeting, move))


@router.post("/{meeting}/restore", responses=answers(404, 409, 422))
async def post_restore(core: Core, who: Secretary, meeting: str) -> View:
    """A date that was skipped or moved is held as announced."""
    return _announced(core, who, await restore_date(core, who, meeting))


@router.post("/{meeting}/gate", responses=answers(404, 409, 422))
async def post_gate(core: Core, who: Administrator, meeting: str, confirmation: GateConfirmation) -> View:
    """The subject was marked as security and defence by mistake."""
    await confirm_gate(core, who, meeting, confirmation.reason)
    return _announced(core, who, meeting)


@router.post("/{meeting}/close", responses=answers(404, 409))
async def post_close(core: Core, who: Secretary, meeting: str) -> View:
    """End the meeting now."""
    return {"closed": await close_meeting(core, who, meeting)}


@router.get("/{meeting}/join-info", responses=answers(404, 409))
def get_join_info(core: Core, who: Secretary, meeting: str) -> View:
    """The way in, for somebody who takes part without a unit."""
    with core.database.read() as session:
        occurrence = find_occurrence(session, who, meeting, core.now())
        need_main_site(who, occurrence.meeting)
        key = kept_secret(core.state.ticket_key).encode()
        return join_info(occurrence, core.settings, tickets.issue(key, occurrence.id, core.now()))


def _announced(core: Controller, who: Actor, meeting: str) -> View:
    with core.database.read() as session:
        return meeting_view(session, who, meeting_for(session, who, meeting))
