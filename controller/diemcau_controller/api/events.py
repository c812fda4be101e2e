"""/api/v1/events: what happened; /api/v1/stream: what is happening, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from ..actions.ingest import event_view
from ..actions.news import Item, News
from ..rules.actor import Actor, Role
from ..store.tables import EventRow
from .access import Core, Viewer, identify
from .views import View

router = APIRouter(tags=["events"])

_SIGN_OF_LIFE_S = 15.0


@router.get("/events")
def list_events(
    core: Core,
    who: Viewer,
    after: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    unit: str | None = None,
    site: str | None = None,
    meeting: str | None = None,
    kind: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[View]:
    """Events in the order they were stored: those after a number, or else the newest."""
    query = select(EventRow).limit(limit)
    for column, wanted in (
        (EventRow.unit, unit),
        (EventRow.site, site),
        (EventRow.meeting, meeting),
        (EventRow.kind, kind),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if who.sites is not None:
        query = query.where(EventRow.site.in_(who.sites))
    with core.database.read() as session:
        if after is not None:
            rows = session.scalars(query.where(EventRow.number > after).order_by(EventRow.number)).all()
        else:
            rows = session.scalars(query.order_by(EventRow.number.desc())).all()[::-1]
        return [event_view(row) for row in rows]


@router.get("/stream")
async def stream(request: Request, core: Core, who: Viewer) -> StreamingResponse:
    """Server-sent events: `event` with what happened, and hints (`unit`, `floor`, …) what to read anew."""
    return StreamingResponse(
        _items(core.news, request, who),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def concerns(item: Item, who: Actor) -> bool:
    """True when somebody may hear this. Hints without a site pass: what is read anew then is checked."""
    site = item.data.get("site")
    return who.sites is None or (item.kind != "event" if site is None else who.sees(site))


async def _items(news: News, request: Request, who: Actor) -> AsyncIterator[str]:
    """The news that concern somebody, until the token or session has ended or the role is too small."""
    clock = asyncio.get_running_loop().time
    look_at = clock() + _SIGN_OF_LIFE_S
    with news.listen() as queue:
        yield "retry: 2000\n\n"
        while True:
            try:
                async with asyncio.timeout(max(0.0, look_at - clock())):
                    item = await queue.get()
            except TimeoutError:
                known = await asyncio.to_thread(identify, request)
                if known is None or not known.who.may(Role.VIEWER):
                    return
                who, look_at = known.who, clock() + _SIGN_OF_LIFE_S
                yield ": still here\n\n"
            else:
                if concerns(item, who):
                    yield f"event: {item.kind}\ndata: {json.dumps(item.data, ensure_ascii=False)}\n\n"
