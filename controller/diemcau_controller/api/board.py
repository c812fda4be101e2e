"""/api/v1/board: the board as data: what matches, worst first, and how the next meeting stands."""

from __future__ import annotations

from typing import Annotated

from diemcau_wire import is_unit_id
from diemcau_wire.messages import SiteId
from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from ..actions.read_board import AreaCount, MeetingNow, Tone, Wanted, read_board
from ..actions.scope import unit_for
from ..actions.thumbnail import thumbnail
from ..rules.refusals import NotFound
from .access import Contractor, Core, Viewer
from .answers import answers
from .views import View, area_view, site_view, text

router = APIRouter(tags=["board"])

_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # asked for with the picture's time


@router.get("/board", responses=answers(404))
def get_board(
    core: Core,
    who: Viewer,
    q: Annotated[str, Query(max_length=200)] = "",
    tone: Tone | None = None,
    area: SiteId | None = None,
    group: SiteId | None = None,
    unit: bool | None = None,
    limit: Annotated[int, Query(ge=0, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> View:
    """Sites worst first, counts by tone and by area, and what runs or comes next with whom to call."""
    board = read_board(core, who, Wanted(q, tone, area, group, unit))
    return {
        "tones": board.tones,
        "areas": [_area(one) for one in board.areas],
        "meetings": [_meeting(one) for one in board.meetings],
        "total": len(board.sites),
        "sites": [site_view(site, who) for site in board.sites[offset : offset + limit]],
    }


@router.get(
    "/units/{unit}/thumbnail",
    response_class=FileResponse,
    responses={**answers(404), 200: {"content": {"image/webp": {}}}},
)
def get_thumbnail(core: Core, who: Contractor, unit: str) -> FileResponse:
    """A small copy (WebP, at most 320 by 180) of the newest picture of the unit's screen."""
    with core.database.read() as session:
        unit_for(session, who, unit)
    path = thumbnail(core, unit) if is_unit_id(unit) else None
    if path is None:
        raise NotFound("this unit has sent no picture yet", code="board.picture_none")
    return FileResponse(path, media_type="image/webp", headers=_FOR_EVER)


def _area(count: AreaCount) -> View:
    return {**area_view(count.area), "total": count.total, "tones": dict(count.tones)}


def _meeting(meeting: MeetingNow) -> View:
    return {
        "id": meeting.id,
        "meeting_id": meeting.meeting_id,
        "title": meeting.title,
        "kind": meeting.kind,
        "mode": meeting.mode,
        "opens_at": text(meeting.opens_at),
        "starts_at": text(meeting.starts_at),
        "ends_at": text(meeting.ends_at),
        "main_site": meeting.main_site,
        "speakers": list(meeting.speakers),
        "total": meeting.risk.total,
        "inside": meeting.risk.inside,
        "standings": dict(meeting.risk.standings),
        "call": list(meeting.risk.call),
    }
