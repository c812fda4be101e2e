"""Who sat in the halls of a meeting, and remarks on their part.

`meeting` is an occurrence's id, or the meeting's for the one that runs or comes next.
"""

from __future__ import annotations

from typing import Annotated

from diemcau_wire.messages import SiteId
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from ..actions.attendees import (
    AttendeeChange,
    AttendeeSpec,
    Line,
    add_attendee,
    attendee_rows,
    attendee_view,
    change_attendee,
    remove_attendee,
    write_note,
)
from ..actions.find_occurrence import find_occurrence
from ..store.tables import Attendee
from .access import Core, Secretary, Viewer
from .answers import answers
from .views import View

router = APIRouter(tags=["reports"])


class NewAttendee(AttendeeSpec):
    """A person, and in which hall."""

    site: SiteId

    @property
    def spec(self) -> AttendeeSpec:
        return AttendeeSpec(**self.model_dump(exclude={"site"}))


class Remark(BaseModel):
    """A remark on a hall's part; empty takes it away."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    text: Annotated[Line, Field(max_length=500)]


@router.get("/meetings/{meeting}/attendees", responses=answers(404, 422))
def list_attendees(core: Core, who: Viewer, meeting: str, site: SiteId | None = None) -> list[View]:
    """The people of the halls in scope, or of one hall, in the order they were entered."""
    with core.database.read() as session:
        rows = attendee_rows(session, find_occurrence(session, who, meeting, core.now()), site)
        return [attendee_view(row) for row in rows if who.sees(row.site_id)]


@router.post("/meetings/{meeting}/attendees", status_code=201, responses=answers(404, 409, 422))
async def post_attendee(core: Core, who: Secretary, meeting: str, person: NewAttendee) -> View:
    """Write down a person of a hall."""
    added = await add_attendee(core, who, meeting, person.site, person.spec)
    with core.database.read() as session:
        return _one(session, added)


@router.patch("/attendees/{attendee}", responses=answers(404, 422))
async def patch_attendee(core: Core, who: Secretary, attendee: str, change: AttendeeChange) -> View:
    """Correct a person."""
    await change_attendee(core, who, attendee, change)
    with core.database.read() as session:
        return _one(session, attendee)


@router.delete("/attendees/{attendee}", status_code=204, responses=answers(404))
async def delete_attendee(core: Core, who: Secretary, attendee: str) -> None:
    """Strike a person."""
    await remove_attendee(core, who, attendee)


@router.put("/meetings/{meeting}/notes/{site}", status_code=204, responses=answers(404, 422))
async def put_note(core: Core, who: Secretary, meeting: str, site: SiteId, remark: Remark) -> None:
    """Remark on a hall's part in the meeting, for its report."""
    await write_note(core, who, meeting, site, remark.text)


def _one(session: Session, attendee: str) -> View:
    return attendee_view(session.get_one(Attendee, attendee))
