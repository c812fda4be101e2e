"""Open an incident: by hand, by a hall, or because of what units report. One per site and kind while open."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from diemcau_wire.messages import Nfc, SiteId
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Integer, cast, func, select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.incidents import Kind
from ..rules.refusals import Invalid
from ..rules.wrong_fields import sentence
from ..store.tables import Incident, IncidentEntry, IncidentSite, Invitation, Occurrence, Site
from .attendees import hall_of
from .audit import record
from .controller import Controller
from .find_occurrence import find_occurrence
from .incident_evidence import Evidence, evidence_of, picture_of
from .kept_files import Kept
from .scope import site_for

# line breaks and tabs are fine in a story, other control characters are not
Story = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"), Nfc]
Title = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"), Nfc]


_ID = "sc-"


class IncidentSpec(BaseModel):
    """What went wrong: where, of which kind; `title` may be empty when the kind (not `other`) says it all."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    site: SiteId
    kind: Kind
    title: Title = ""
    occurrence: Annotated[str, Field(max_length=120)] | None = None
    text: Story = ""


async def open_incident(
    controller: Controller,
    who: Actor,
    site: str,
    kind: str,
    title: str,
    occurrence: str | None = None,
    text: str = "",
) -> str:
    """Open an incident at a site in scope and give its id; what is known of the site is attached.

    While one of this site and kind is open (`other` apart) the title and text are added to that one.
    `occurrence`: the meeting it happened in; the one that runs at the site if absent. Raises
    :class:`Invalid` and :class:`NotFound`.
    """
    try:
        spec = IncidentSpec(site=site, kind=Kind(kind), title=title, occurrence=occurrence, text=text)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise Invalid(f"{field}: {sentence(first)}", field=field) from None
    except ValueError:
        raise Invalid(
            f"{kind[:40]} is no kind of incident: choose one of {', '.join(Kind)}",
            code="incidents.kind",
            field="kind",
        ) from None
    if spec.kind is Kind.OTHER and not spec.title:
        raise Invalid("say in a few words what is wrong", code="incidents.title", field="title")
    now = controller.now()
    with controller.database.read() as session:
        site_for(session, who, site)
    picture = await asyncio.to_thread(picture_of, controller, site)

    def change(session: Session) -> str:
        place = site_for(session, who, site)
        meeting = _running_at(session, site, now)
        if spec.occurrence:
            meeting = hall_of(session, who, find_occurrence(session, who, spec.occurrence, now), site).id
        incident = None if spec.kind is Kind.OTHER else open_one(session, site, spec.kind)
        if incident is not None:
            said = "\n".join(part for part in (spec.title, spec.text) if part)
            add_entry(incident, now, who, "note", said)
            record(session, who, now, "incident.note", subject_of(incident), after={"text": said})
            return incident.id
        incident = insert_incident(session, who, now, place, spec.kind, spec.title, meeting)
        if spec.text:
            add_entry(incident, now, who, "note", spec.text)
        add_entry(incident, now, who, "evidence", document=evidence_of(session, place), file=picture)
        return incident.id

    opened = await controller.write(change)
    controller.news.tell("incident", incident=opened, site=site)
    return opened


def open_one(session: Session, site: str, kind: Kind) -> Incident | None:
    """The open incident of that kind at a site: its own, or one of many that it is part of."""
    part = select(IncidentSite.incident_id).where(IncidentSite.site_id == site)
    return session.scalars(
        select(Incident)
        .where(Incident.closed_at.is_(None), Incident.kind == kind.value)
        .where((Incident.site_id == site) | Incident.id.in_(part))
        .order_by(Incident.opened_at)
        .limit(1)
    ).first()


def insert_incident(
    session: Session,
    who: Actor,
    at: datetime,
    site: Site,
    kind: Kind,
    title: str = "",
    occurrence: str | None = None,
) -> Incident:
    """The row of a new incident, inside a transaction. Its id (`sc-42`) is easy to say on the telephone."""
    last = session.scalar(select(func.max(cast(func.substr(Incident.id, len(_ID) + 1), Integer))))
    incident = Incident(
        id=f"{_ID}{(last or 0) + 1}",
        site_id=site.id,
        occurrence_id=occurrence,
        kind=kind.value,
        title=title,
        opened_at=at,
        opened_by=who.name,
        resolution="",
    )
    session.add(incident)
    session.flush()
    report_again(session, incident)
    after = {"site": site.id, "kind": kind.value, "title": title, "meeting": occurrence}
    record(session, who, at, "incident.open", subject_of(incident), after=after)
    return incident


def add_entry(
    incident: Incident,
    at: datetime,
    who: Actor,
    kind: str,
    text: str = "",
    document: Evidence | None = None,
    file: Kept | None = None,
) -> IncidentEntry:
    """Add a line to an incident's history."""
    entry = IncidentEntry(at=at, who=who.name, kind=kind, text=text, document=document)
    if file is not None:
        entry.file_name, entry.media_type = file.name, file.media_type
        entry.size, entry.sha256 = file.size, file.sha256
    incident.entries.append(entry)
    return entry


def _running_at(session: Session, site: str, now: datetime) -> str | None:
    """The meeting a site is in now, if any."""
    return session.scalar(
        select(Occurrence.id)
        .join(Invitation, Invitation.meeting_id == Occurrence.meeting_id)
        .where(Invitation.site_id == site, Occurrence.finished_at.is_(None))
        .where(Occurrence.opens_at <= now, Occurrence.cap_at > now)
        .order_by(Occurrence.starts_at.desc())
        .limit(1)
    )


def report_again(session: Session, incident: Incident) -> None:
    """Have the report of the meeting it happened in written anew."""
    if incident.occurrence_id is not None:
        session.get_one(Occurrence, incident.occurrence_id).reported_at = None


def subject_of(incident: Incident) -> str:
    """What the audit list calls it."""
    return f"incident:{incident.id}"
