"""/api/v1/incidents: what went wrong, the evidence, who sees to it, how it ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from ..actions.change_incident import (
    add_file,
    assign_incident,
    close_incident,
    note_incident,
    reopen_incident,
)
from ..actions.controller import Controller
from ..actions.find_incident import incident_for, incident_view, list_incidents
from ..actions.incident_files import MAX_BYTES, file_path
from ..actions.open_incident import IncidentSpec, Story, open_incident
from ..rules.actor import Actor
from ..rules.incidents import Kind, Which
from ..rules.refusals import NotFound
from .access import Contractor, Core, Operator, Secretary
from .answers import answers
from .views import View

router = APIRouter(prefix="/incidents", tags=["incidents"])

MAX_FORM = MAX_BYTES + 64 * 1024

Said = Annotated[Story, Field(min_length=1)]


class Note(BaseModel):
    """A remark."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    text: Said


class Assignment(BaseModel):
    """The user who shall see to it; null: nobody."""

    model_config = ConfigDict(extra="forbid")
    user: Annotated[str, Field(max_length=120)] | None


class Closing(BaseModel):
    """What was done about it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    resolution: Said


class Reopening(BaseModel):
    """Why it is opened again."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    text: Story = ""


@router.get("", responses=answers(422))
def get_incidents(
    core: Core,
    who: Contractor,
    which: Which = Which.OPEN,
    site: str | None = None,
    kind: Kind | None = None,
    assignee: Annotated[str | None, Query(description="empty: assigned to nobody")] = None,
    meeting: Annotated[str | None, Query(description="an occurrence's id")] = None,
    q: Annotated[str, Query(max_length=100)] = "",
) -> list[View]:
    """Incidents in short, the worst open one first, closed ones after, newest first; at most 500."""
    with core.database.read() as session:
        return list_incidents(
            session,
            who,
            core.now(),
            which,
            site=site,
            kind=kind,
            assignee=assignee,
            occurrence=meeting,
            words=q,
        )


@router.post("", status_code=201, responses=answers(404, 422))
async def post_incident(core: Core, who: Secretary, spec: IncidentSpec) -> View:
    """Open one. While one of that site and kind is open, this is added to it, and it is given back."""
    opened = await open_incident(
        core, who, spec.site, spec.kind, spec.title, occurrence=spec.occurrence, text=spec.text
    )
    return _view(core, who, opened)


@router.get("/{incident}", responses=answers(404))
def get_incident(core: Core, who: Contractor, incident: str) -> View:
    """One incident with its history."""
    return _view(core, who, incident)


@router.post("/{incident}/notes", status_code=201, responses=answers(404, 409, 422))
async def post_note(core: Core, who: Contractor, incident: str, note: Note) -> View:
    """Add a remark."""
    await note_incident(core, who, incident, note.text)
    return _view(core, who, incident)


@router.post(
    "/{incident}/files", status_code=201, responses=answers(404, 409, 413, 422), max_body_size=MAX_FORM
)
async def post_file(
    core: Core,
    who: Contractor,
    incident: str,
    file: Annotated[UploadFile, File()],
    text: Annotated[Story, Form()] = "",
) -> View:
    """Add a file as evidence: a picture, PDF, MP4 film or UTF-8 text of at most 10 MB."""
    await add_file(core, who, incident, file.filename or "", file.file, text)
    return _view(core, who, incident)


@router.get("/{incident}/files/{number}", responses=answers(404, 422), response_class=FileResponse)
def get_file(core: Core, who: Contractor, incident: str, number: Annotated[int, Field(ge=1)]) -> FileResponse:
    """The file of an entry."""
    return file_answer(core, who, incident, number)


@router.put("/{incident}/assignee", responses=answers(404, 409, 422))
async def put_assignee(core: Core, who: Operator, incident: str, assignment: Assignment) -> View:
    """Say who shall see to it; a contractor sees this incident and its sites from then on."""
    await assign_incident(core, who, incident, assignment.user)
    return _view(core, who, incident)


@router.post("/{incident}/close", responses=answers(404, 409, 422))
async def post_close(core: Core, who: Operator, incident: str, closing: Closing) -> View:
    """Close it with what was done."""
    await close_incident(core, who, incident, closing.resolution)
    return _view(core, who, incident)


@router.post("/{incident}/reopen", responses=answers(404, 409, 422))
async def post_reopen(core: Core, who: Operator, incident: str, reopening: Reopening) -> View:
    """Open a closed one again."""
    await reopen_incident(core, who, incident, reopening.text)
    return _view(core, who, incident)


def file_answer(core: Controller, who: Actor, incident_id: str, number: int) -> FileResponse:
    """The file of an entry: pictures to look at, everything else to keep; never run as a page of ours."""
    with core.database.read() as session:
        incident = incident_for(session, who, incident_id)
        entry = next((one for one in incident.entries if one.number == number), None)
        if entry is None:
            raise NotFound("this entry has no file: choose one that has", code="files.unknown")
        path = file_path(core, entry)
    media_type = entry.media_type or "application/octet-stream"
    return FileResponse(
        path,
        media_type=media_type,
        filename=entry.file_name,
        content_disposition_type="inline" if media_type.startswith("image/") else "attachment",
        headers={
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=3600",
        },
    )


def _view(core: Controller, who: Actor, incident: str) -> View:
    with core.database.read() as session:
        return incident_view(session, incident_for(session, who, incident), core.now())
