"""/api/v1/meetings/{meeting}/attachments: the documents of a meeting."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, UploadFile
from fastapi.responses import FileResponse

from ..actions.attachments import (
    MAX_BYTES,
    add_attachment,
    attachment_for,
    attachment_path,
    remove_attachment,
)
from ..actions.controller import Controller
from ..actions.scope import meeting_for
from ..rules.actor import Actor
from .access import Core, Secretary, Viewer
from .answers import answers
from .views import View, attachment_view

router = APIRouter(prefix="/meetings", tags=["meetings"])

MAX_FORM = MAX_BYTES + 64 * 1024


@router.get("/{meeting}/attachments", responses=answers(404))
def get_attachments(core: Core, who: Viewer, meeting: str) -> list[View]:
    """The documents of a meeting (its own id)."""
    with core.database.read() as session:
        return [attachment_view(row) for row in meeting_for(session, who, meeting).attachments]


@router.post(
    "/{meeting}/attachments", status_code=201, responses=answers(404, 409, 413, 422), max_body_size=MAX_FORM
)
async def post_attachment(
    core: Core, who: Secretary, meeting: str, file: Annotated[UploadFile, File()]
) -> list[View]:
    """Add a document of at most 20 MB; gives all of them."""
    await add_attachment(core, who, meeting, file.filename or "", file.file)
    return get_attachments(core, who, meeting)


@router.get("/{meeting}/attachments/{attachment}", response_class=FileResponse, responses=answers(404))
def get_attachment(core: Core, who: Viewer, meeting: str, attachment: str) -> FileResponse:
    """The document itself, to be saved, never to be run in a browser."""
    return download(core, who, meeting, attachment)


@router.delete("/{meeting}/attachments/{attachment}", status_code=204, responses=answers(404))
async def delete_attachment(core: Core, who: Secretary, meeting: str, attachment: str) -> None:
    """Take a document away."""
    await remove_attachment(core, who, meeting, attachment)


def download(core: Controller, who: Actor, meeting: str, attachment: str) -> FileResponse:
    """A document as a file to save."""
    with core.database.read() as session:
        row = attachment_for(session, who, meeting, attachment)
        return FileResponse(
            attachment_path(core, row),
            media_type=row.media_type,
            filename=row.name,
            content_disposition_type="attachment",
            headers={
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "Cache-Control": "private, no-store",
            },
        )
