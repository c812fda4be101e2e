"""/api/v1/events: what happened; /api/v1/stream: what is happening, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from ..actions.ingest import event_view
from ..actions.news import News
from ..store.tables import EventRow
from .access import Core, Viewer
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
    with core.database.read() as session:
        if after is not None:
            rows = session.scalars(query.where(EventRow.number > after).order_by(EventRow.number)).all()
        else:
            rows = session.scalars(query.order_by(EventRow.number.desc())).all()[::-1]
        return [event_view(row) for row in rows]


@router.get("/stream")
async def stream(core: Core, who: Viewer) -> StreamingResponse:
    """Server-sent events: `event` with what happened, and hints (`unit`, `floor`, …) what to read anew."""
    return StreamingResponse(
        _items(core.news),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _items(news: News) -> AsyncIterator[str]:
    with news.listen() as queue:
        yield "retry: 2000\n\n"
        while True:
            try:
                item = await asyncio.wait_for(queue.get(), _SIGN_OF_LIFE_S)
            except TimeoutError:
                yield ": still here\n\n"
            else:
                yield f"event: {item.kind}\ndata: {json.dumps(item.data, ensure_ascii=False)}\n\n"
