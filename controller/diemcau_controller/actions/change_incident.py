"""What is done about an incident: notes and files added, somebody assigned, closed, opened again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import BinaryIO

from sqlalchemy.orm import Session

from ..rules.actor import OUTSIDE, Actor
from ..rules.incidents import may_note, may_see
from ..rules.refusals import Conflict, Forbidden, Invalid
from ..store.tables import Incident, User
from .audit import record
from .controller import Controller
from .find_incident import incident_for, need_whole_incident
from .incident_files import keep_file
from .open_incident import add_entry, report_again, subject_of
from .scope import actor_of

MOST_ENTRIES = 500


async def note_incident(controller: Controller, who: Actor, incident_id: str, text: str) -> None:
    """Add a remark, as a secretary or above or as who shall see to it."""
    if not text:
        raise Invalid("write what you found or did", code="incidents.note", field="text")

    def change(session: Session, incident: Incident) -> None:
        _need_noter(who, incident)
        _room_for_more(incident)
        add_entry(incident, controller.now(), who, "note", text)
        record(session, who, controller.now(), "incident.note", subject_of(incident), after={"text": text})

    await _change(controller, who, incident_id, change)


async def add_file(
    controller: Controller, who: Actor, incident_id: str, name: str, source: BinaryIO, text: str = ""
) -> None:
    """Add a file of at most 10 MB as evidence, with a remark; who may add a remark may."""
    with controller.database.read() as session:
        _need_noter(who, incident_for(session, who, incident_id))
    kept = await asyncio.to_thread(keep_file, controller, name, source)

    def change(session: Session, incident: Incident) -> None:
        _need_noter(who, incident)
        _room_for_more(incident)
        add_entry(incident, controller.now(), who, "file", text, file=kept)
        after = {"file": kept.name, "size": kept.size, "sha256": kept.sha256}
        record(session, who, controller.now(), "incident.file", subject_of(incident), after=after)

    await _change(controller, who, incident_id, change)


async def assign_incident(controller: Controller, who: Actor, incident_id: str, user: str | None) -> None:
    """Give an open incident to a user (None: to nobody). A contractor sees it and its sites from then on."""

    def change(session: Session, incident: Incident) -> None:
        need_whole_incident(who, incident)
        _need_open(incident)
        if incident.assignee == user:
            return
        if user is not None:
            _need_able(session, incident, user)
        before = {"assignee": incident.assignee}
        incident.assignee = user
        add_entry(incident, controller.now(), who, "assigned", user or "")
        after = {"assignee": user}
        record(
            session,
            who,
            controller.now(),
            "incident.assign",
            subject_of(incident),
            before=before,
            after=after,
        )

    await _change(controller, who, incident_id, change)


async def close_incident(controller: Controller, who: Actor, incident_id: str, resolution: str) -> None:
    """Close it with what was done, which has to be said."""
    if not resolution:
        raise Invalid("say what was done about it", code="incidents.resolution", field="resolution")

    def change(session: Session, incident: Incident) -> None:
        need_whole_incident(who, incident)
        _need_open(incident)
        now = controller.now()
        incident.closed_at, incident.resolution = now, resolution
        report_again(session, incident)
        add_entry(incident, now, who, "closed", resolution)
        record(
            session,
            who,
            now,
            "incident.close",
            subject_of(incident),
            before={"closed": False, "resolution": ""},
            after={"closed": True, "resolution": resolution},
        )

    await _change(controller, who, incident_id, change)


async def reopen_incident(controller: Controller, who: Actor, incident_id: str, text: str = "") -> None:
    """Open a closed one again; `text` may say why."""

    def change(session: Session, incident: Incident) -> None:
        need_whole_incident(who, incident)
        if incident.closed_at is None:
            raise Conflict(
                f"incident {incident.id} is open: there is nothing to open again", code="incidents.open"
            )
        now, was = controller.now(), incident.resolution
        incident.closed_at, incident.resolution = None, ""
        report_again(session, incident)
        add_entry(incident, now, who, "reopened", text)
        record(
            session,
            who,
            now,
            "incident.reopen",
            subject_of(incident),
            before={"closed": True, "resolution": was},
            after={"closed": False, "resolution": ""},
        )

    await _change(controller, who, incident_id, change)


async def _change(
    controller: Controller, who: Actor, incident_id: str, change: Callable[[Session, Incident], None]
) -> None:
    def transaction(session: Session) -> str:
        incident = incident_for(session, who, incident_id)
        change(session, incident)
        return incident.site_id

    site = await controller.write(transaction)
    controller.news.tell("incident", incident=incident_id, site=site)


def _need_noter(who: Actor, incident: Incident) -> None:
    if not may_note(who, incident.assignee):
        raise Forbidden(
            "you may read this incident: a secretary, or whoever it is assigned to, adds to it",
            code="incidents.read_only",
        )


def _need_open(incident: Incident) -> None:
    if incident.closed_at is not None:
        raise Conflict(
            f"incident {incident.id} was closed meanwhile: open it again first", code="incidents.closed"
        )


def _need_able(session: Session, incident: Incident, name: str) -> None:
    """Refuse an assignee who is not there, or who could not see the incident even then."""
    user = session.get(User, name)
    if user is None or user.disabled_at is not None:
        raise Invalid(
            f"there is no user {name[:80]}: choose one", code="incidents.user_unknown", field="user"
        )
    person = actor_of(session, user)
    if person.role not in OUTSIDE and not may_see(person, incident.site_ids, name):
        raise Invalid(
            f"user {name} is bound to another area: choose somebody who sees the site",
            code="incidents.assignee_beyond_scope",
            field="user",
            user=name,
        )


def _room_for_more(incident: Incident) -> None:
    if len(incident.entries) >= MOST_ENTRIES:
        raise Conflict(
            f"incident {incident.id} has {MOST_ENTRIES} entries: close it and open a new one",
            code="incidents.full",
            most=MOST_ENTRIES,
        )
