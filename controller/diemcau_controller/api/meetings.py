"""/api/v1/meetings.

Wherever one occurrence is meant, its id does, or the meeting's id for the one that runs or comes next.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select

from ..actions.add_meeting import add_meeting
from ..actions.close_meeting import cancel_meeting, close_meeting
from ..actions.find_occurrence import find_occurrence
from ..actions.meeting_spec import MeetingSpec
from ..actions.scope import need_main_site
from ..store.tables import Meeting, Occurrence
from .access import Core, Secretary, Viewer
from .views import View, attendance_view, join_info, meeting_view

router = APIRouter(prefix="/meetings", tags=["meetings"])


@router.get("")
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
            select(Meeting).where(Meeting.id.in_(recent) | later).order_by(Meeting.starts_local)
        )
        return [meeting_view(session, who, row, since) for row in rows if who.sees_any(row.site_ids)]


@router.post("", status_code=201)
async def post_meeting(core: Core, who: Secretary, spec: MeetingSpec) -> View:
    """Announce a meeting."""
    meeting = await add_meeting(core, who, spec)
    with core.database.read() as session:
        return meeting_view(session, who, session.get_one(Meeting, meeting))


@router.get("/{meeting}")
def get_meeting(core: Core, who: Viewer, meeting: str) -> View:
    """One occurrence: who is in, who has the floor."""
    with core.database.read() as session:
        return attendance_view(session, who, find_occurrence(session, who, meeting, core.now()))


@router.delete("/{meeting}", status_code=204)
async def delete_meeting(core: Core, who: Secretary, meeting: str) -> None:
    """Call off a meeting (the meeting's id): all its occurrences that are not over."""
    await cancel_meeting(core, who, meeting)


@router.post("/{meeting}/close")
async def post_close(core: Core, who: Secretary, meeting: str) -> View:
    """End the meeting now."""
    return {"closed": await close_meeting(core, who, meeting)}


@router.get("/{meeting}/join-info")
def get_join_info(core: Core, who: Secretary, meeting: str) -> View:
    """The way in, for somebody who takes part without a unit."""
    with core.database.read() as session:
        occurrence = find_occurrence(session, who, meeting, core.now())
        need_main_site(who, occurrence.meeting)
        return join_info(occurrence, core.settings)
