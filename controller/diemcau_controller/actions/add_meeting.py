"""Announce a meeting: once, or by a repeat rule."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from ..config import Settings
from ..rules.actor import Actor
from ..rules.gate import check_gate, suspicious
from ..rules.refusals import Conflict, Invalid
from ..rules.schedule import Plan, check, check_sites
from ..store.tables import Invitation, Meeting
from .audit import Known, record
from .controller import Controller, Letter
from .invited import invited
from .meeting_spec import MeetingSpec
from .occurrences import fit_occurrences, wall_clock
from .plan_of import starts_local
from .taken_halls import need_free_halls


async def add_meeting(controller: Controller, who: Actor, spec: MeetingSpec) -> str:
    """Add it, with its occurrences in the horizon, and give its id.

    Raises :class:`Invalid` for one in the past, ending before it starts, or with an unknown site,
    :class:`Gated` for a subject that must not go online, :class:`SubjectAsked` when words suggest one, and
    :class:`HallsTaken` when a site is in another meeting at that time.
    """
    meeting_id = new_meeting_id()

    def change(session: Session) -> list[Letter]:
        return announce(session, controller.settings, controller.now(), who, meeting_id, spec)

    controller.send(await controller.write(change))
    controller.news.tell("schedule", meeting=meeting_id)
    return meeting_id


def new_meeting_id() -> str:
    """A name for a meeting."""
    return "m" + secrets.token_hex(4)


def announce(
    session: Session,
    settings: Settings,
    now: datetime,
    who: Actor,
    meeting_id: str,
    spec: MeetingSpec,
    *,
    urgent: bool = False,
) -> list[Letter]:
    """:func:`add_meeting` inside a transaction. An urgent one takes halls from other meetings."""
    zone = settings.zone
    check_gate(spec.mode, spec.classification, spec.security_subject)
    if spec.mode == "here" and not spec.subject_checked:
        ask_subject(spec.title, spec.notes)
    sites = invited(
        session,
        who,
        spec.main_site,
        sites=spec.sites,
        areas=spec.areas,
        groups=spec.groups,
        without=spec.without,
    )
    start = wall_clock(spec.starts_at, zone)
    plan = Plan(
        id=meeting_id,
        starts_local=start,
        duration=duration_of(spec.ends_at and wall_clock(spec.ends_at, zone), spec.duration_s, start),
        opens_before=timedelta(seconds=spec.opens_before_s),
        overrun=timedelta(seconds=spec.overrun_s),
        rrule=spec.rrule or None,
    )
    check(plan, zone, now)
    check_sites(spec.main_site, sites)
    if not urgent:
        need_free_halls(session, settings, now, plan, spec.main_site, sites)
    meeting = Meeting(
        id=meeting_id,
        title=spec.title,
        kind=spec.kind,
        starts_local=plan.starts_local.isoformat(),
        rrule=plan.rrule,
        duration_s=int(plan.duration.total_seconds()),
        opens_before_s=spec.opens_before_s,
        overrun_s=spec.overrun_s,
        main_site_id=spec.main_site,
        created_at=now,
        created_by=who.name,
        chair=spec.chair,
        place=spec.place,
        notes=spec.notes,
        mode=spec.mode.value,
        classification=spec.classification.value,
        security_subject=spec.security_subject,
        urgent=urgent,
        invited=[Invitation(site_id=site, position=at) for at, site in enumerate(sites)],
    )
    session.add(meeting)
    session.flush()
    record(session, who, now, "meeting.add", f"meeting:{meeting_id}", after=meeting_settings(meeting))
    return fit_occurrences(session, settings, now, meeting)


class SubjectAsked(Conflict):
    """Words in title or notes suggest security or secrecy: a person has to say that it is neither."""

    code = "gate.ask"


def ask_subject(*texts: str) -> None:
    """Raise :class:`SubjectAsked` when there is something to ask."""
    words = suspicious(*texts)
    if words:
        raise SubjectAsked(
            f"title or notes speak of {', '.join(words)}: if content is secret or about security and "
            "defence, hold the meeting in person; if not, send it again with subject_checked",
            field="subject_checked",
            words=", ".join(words),
        )


def duration_of(ends_local: datetime | None, duration_s: int | None, start: datetime) -> timedelta:
    """How long it lasts, by its end or by its length; one of them is needed, and not both."""
    if (ends_local is None) == (duration_s is None):
        raise Invalid("give either ends_at or duration_s", code="schedule.no_end", field="ends_at")
    return ends_local - start if ends_local is not None else timedelta(seconds=duration_s or 0)


def meeting_settings(meeting: Meeting) -> Known:
    """What was announced of a meeting, in the words of the API."""
    return {
        "version": meeting.version,
        "title": meeting.title,
        "kind": meeting.kind,
        "starts_local": starts_local(meeting).isoformat(),
        "rrule": meeting.rrule,
        "duration_s": meeting.duration_s,
        "opens_before_s": meeting.opens_before_s,
        "overrun_s": meeting.overrun_s,
        "main_site": meeting.main_site_id,
        "sites": meeting.site_ids,
        "chair": meeting.chair,
        "place": meeting.place,
        "notes": meeting.notes,
        "mode": meeting.mode,
        "classification": meeting.classification,
        "security_subject": meeting.security_subject,
        "gate_confirmed_by": meeting.gate_confirmed_by,
    }
