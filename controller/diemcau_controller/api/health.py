"""/healthz: whether the controller works, for whoever watches it; no token needed, nothing given away."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import select

from ..store.chain import verdict_line
from ..store.tables import Site
from .access import Core

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz(core: Core) -> JSONResponse:
    """200 while the database answers; `status` is `ok`, or says why nothing can be stored.

    `mqtt` and `janus` say whether these are reached; `refused` counts the messages of units that were not
    taken since the controller started, by reason. `authority`, `releases`, `backup` and `audit` say in words
    what is to be done about the certificate authority and the units' software, and how it stands with backups
    and the list of changes; they change nothing of `status`.
    """
    with core.database.read() as session:
        session.scalar(select(Site.id).limit(1))
    return JSONResponse(
        {
            "status": "ok" if core.writer.trouble is None else f"cannot store: {core.writer.trouble}",
            "mqtt": core.post.connected,
            "janus": core.janus_reached(),
            "refused": core.refusals(),
            "authority": core.authority.sentence(),
            "releases": core.releases.sentence(),
            "backup": core.backup.sentence(),
            "audit": "not looked through yet" if core.chain is None else verdict_line(core.chain.verdict),
        }
    )
