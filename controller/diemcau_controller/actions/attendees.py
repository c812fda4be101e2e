"""Who sat in a hall: people of a site in an occurrence, entered by the hall itself or by the secretary.

What is entered after the end has the report written anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

from diemcau_wire.messages import Name, Nfc
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Conflict, Invalid, NotFound
from ..store.tables import Attendee, Occurrence, ReportNote
from .audit import record
from .controller import Controller
from .find_occurrence import find_occurrence

MOST_PER_HALL = 200

View = dict[str, Any]


class AttendeeStatus(StrEnum):
    """có mặt, dự thay, vắng có lý do, vắng."""

    PRESENT = "present"
    SUBSTITUTE = "substitute"
    EXCUSED = "excused"
    ABSENT = "absent"


PersonName = Annotated[Name, Field(max_length=120)]
Line = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"), Nfc]


class AttendeeChange(BaseModel):
    """What is to change of a person; what is absent stays as it is."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    name: PersonName | None = None
    position: Line | None = None
    status: AttendeeStatus | None = None
    stands_for: Line | None = None
    reason: Line | None = None


class AttendeeSpec(AttendeeChange):
    """A person: `stands_for` (who is represented) for `substitute`, `reason` for `excused`."""

    name: PersonName
    status: AttendeeStatus = AttendeeStatus.PRESENT


async def add_attendee(
    controller: Controller, who: Actor, occurrence_id: str, site: str, spec: AttendeeSpec
) -> str:
    """Write down a person of a hall; gives the person's id.

    Raises :class:`NotFound` for a hall that is not invited or out of scope, :class:`Conflict` after
    :data:`MOST_PER_HALL` people.
    """
    now = controller.now()

    def change(session: Session) -> tuple[str, str]:
        occurrence = hall_of(session, who, find_occurrence(session, who, occurrence_id, now), site)
        of_hall = select(func.count()).where(
            Attendee.occurrence_id == occurrence.id, Attendee.site_id == site
        )
        if (session.scalar(of_hall) or 0) >= MOST_PER_HALL:
            raise Conflict(
                f"{MOST_PER_HALL} people are entered for {site} already: remove one first",
                code="attendees.full",
                most=MOST_PER_HALL,
            )
        row = Attendee(
            id="p" + secrets.token_hex(8), occurrence_id=occurrence.id, site_id=site, entered_at=now
        )
        _apply(row, spec)
        session.add(row)
        occurrence.reported_at = None
        record(session, who, now, "attendee.add", _subject(row), after=attendee_view(row))
        return row.id, occurrence.id

    added, meeting = await controller.write(change)
    controller.news.tell("attendees", meeting=meeting, site=site)
    return added


async def change_attendee(
    controller: Controller, who: Actor, attendee_id: str, change: AttendeeChange, *, site: str | None = None
) -> None:
    """Correct a person. `site` given: only if the person is of that hall (a hall's page knows no others)."""
    now = controller.now()

    def transaction(session: Session) -> Attendee:
        row = _find(session, who, attendee_id, site)
        before = attendee_view(row)
        _apply(row, change)
        _due_again(session, row)
        record(session, who, now, "attendee.change", _subject(row), before=before, after=attendee_view(row))
        return row

    row = await controller.write(transaction)
    controller.news.tell("attendees", meeting=row.occurrence_id, site=row.site_id)


async def remove_attendee(
    controller: Controller, who: Actor, attendee_id: str, *, site: str | None = None
) -> None:
    """Strike a person entered by mistake."""
    now = controller.now()

    def transaction(session: Session) -> Attendee:
        row = _find(session, who, attendee_id, site)
        record(session, who, now, "attendee.remove", _subject(row), before=attendee_view(row))
        _due_again(session, row)
        session.delete(row)
        return row

    row = await controller.write(transaction)
    controller.news.tell("attendees", meeting=row.occurrence_id, site=row.site_id)


async def write_note(controller: Controller, who: Actor, occurrence_id: str, site: str, text: str) -> None:
    """Remark on a hall's part in a meeting, for its report; "" takes the remark away."""
    now = controller.now()

    def change(session: Session) -> str:
        occurrence = hall_of(session, who, find_occurrence(session, who, occurrence_id, now), site)
        row = session.get(ReportNote, (occurrence.id, site))
        before = row.text if row is not None else ""
        if row is None and text:
            row = ReportNote(occurrence_id=occurrence.id, site_id=site)
            session.add(row)
        if row is not None:
            row.text, row.written_by, row.written_at = text, who.name, now
            if not text:
                session.delete(row)
        occurrence.reported_at = None
        # keyed by site: the subject is the whole meeting
        subject, was, will_be = f"meeting:{occurrence.id}", {site: before}, {site: text}
        record(session, who, now, "report.note", subject, before=was, after=will_be)
        return occurrence.id

    meeting = await controller.write(change)
    controller.news.tell("attendees", meeting=meeting, site=site)


def attendee_rows(session: Session, occurrence: Occurrence, site: str | None = None) -> list[Attendee]:
    """The people of an occurrence (or of one hall of it), as they were entered."""
    query = select(Attendee).where(Attendee.occurrence_id == occurrence.id)
    if site is not None:
        query = query.where(Attendee.site_id == site)
    return list(session.scalars(query.order_by(Attendee.entered_at, Attendee.id)))


def attendee_view(row: Attendee) -> View:
    """A person, as API and pages show it."""
    return {
        "id": row.id,
        "site": row.site_id,
        "name": row.name,
        "position": row.position,
        "status": row.status,
        "stands_for": row.stands_for,
        "reason": row.reason,
    }


def totals(statuses: Iterable[str]) -> dict[str, int]:
    """How many of each status, those with none too."""
    counts = dict.fromkeys((status.value for status in AttendeeStatus), 0)
    for status in statuses:
        counts[status] += 1
    return counts


def hall_of(session: Session, who: Actor, occurrence: Occurrence, site: str) -> Occurrence:
    """The occurrence, if `site` is a hall of it and in scope."""
    if site not in occurrence.meeting.site_ids or not who.sees(site):
        raise NotFound(
            f"site {site[:80]} is not invited to this meeting: choose one of its sites",
            code="attendees.not_invited",
        )
    return occurrence


def _find(session: Session, who: Actor, attendee_id: str, site: str | None) -> Attendee:
    row = session.get(Attendee, attendee_id)
    if row is None or not who.sees(row.site_id) or (site is not None and row.site_id != site):
        raise NotFound("this person is no longer in the list: load the page again", code="attendees.unknown")
    return row


def _apply(row: Attendee, change: AttendeeChange) -> None:
    for field, value in change.model_dump(mode="json", exclude_none=True).items():
        setattr(row, field, value)
    row.position, row.stands_for, row.reason = row.position or "", row.stands_for or "", row.reason or ""
    if row.status == AttendeeStatus.SUBSTITUTE and not row.stands_for:
        raise Invalid(
            "say for whom this person stands in: fill in stands_for",
            code="attendees.stands_for",
            field="stands_for",
        )


def _due_again(session: Session, row: Attendee) -> None:
    session.get_one(Occurrence, row.occurrence_id).reported_at = None


def _subject(row: Attendee) -> str:
    return f"meeting:{row.occurrence_id}"
