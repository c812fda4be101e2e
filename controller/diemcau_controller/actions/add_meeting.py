"""Announce a meeting: once, or by a repeat rule."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

from diemcau_wire.messages import Name, SiteId, Token
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules.actor import Actor
from ..rules.refusals import Invalid
from ..rules.schedule import CONFLICT_HORIZON, Busy, Plan, check, conflict, expand
from ..store.tables import Invitation, Meeting, Occurrence, Site
from .audit import Known, record
from .controller import Controller, Letter
from .refresh_horizon import extend, plan_of


def _in_calendar(value: datetime) -> datetime:
    if not 1970 <= value.year <= 9998:  # beyond, no other zone can show it
        raise ValueError("give a year from 1970 to 9998")
    return value


Moment = Annotated[datetime, AfterValidator(_in_calendar)]
Seconds = Annotated[int, Field(ge=0, le=24 * 3600)]


class MeetingSpec(BaseModel):
    """A meeting to announce.

    `starts_at` with an offset is a moment; without one it is wall-clock time in the coordinator's zone.
    Either `ends_at` or `duration_s` says how long. `sites` are invited beside `main_site`; null invites
    every site. Units may join `opens_before_s` early and are not cut until `overrun_s` after the end.
    """

    model_config = ConfigDict(extra="forbid")
    title: Name
    kind: Token = "giao-ban"
    starts_at: Moment
    ends_at: Moment | None = None
    duration_s: Annotated[int, Field(ge=-(2**31), le=2**31)] | None = None
    opens_before_s: Seconds = 600
    overrun_s: Seconds = 1800
    rrule: Annotated[str, Field(max_length=500)] | None = None
    main_site: SiteId
    sites: Annotated[list[SiteId], Field(max_length=400)] | None = None


async def add_meeting(controller: Controller, who: Actor, spec: MeetingSpec) -> str:
    """Add it, with its occurrences in the horizon, and give its id.

    Raises :class:`Invalid` for one in the past, ending before it starts, or with an unknown site, and
    :class:`Conflict` when a site is in another meeting at that time.
    """
    settings, now = controller.settings, controller.now()
    meeting_id = "m" + secrets.token_hex(4)

    def change(session: Session) -> list[Letter]:
        plan = _plan(session, who, meeting_id, spec, settings)
        check(plan, settings.zone, now)
        times = expand(plan, settings.zone, now, now + CONFLICT_HORIZON)
        conflict(plan, times, busy(session, settings, now, plan.sites), settings.zone)
        session.add(
            Meeting(
                id=meeting_id,
                title=plan.title,
                kind=spec.kind,
                starts_local=plan.starts_local.isoformat(),
                rrule=plan.rrule,
                duration_s=int(plan.duration.total_seconds()),
                opens_before_s=spec.opens_before_s,
                overrun_s=spec.overrun_s,
                main_site_id=plan.main_site,
                created_at=now,
                created_by=who.name,
                invited=[Invitation(site_id=site, position=at) for at, site in enumerate(plan.sites)],
            )
        )
        session.flush()
        known = meeting_settings(session.get_one(Meeting, meeting_id))
        record(session, who, now, "meeting.add", f"meeting:{meeting_id}", after=known)
        return extend(session, settings, now)

    controller.send(await controller.write(change))
    controller.news.tell("schedule", meeting=meeting_id)
    return meeting_id


def meeting_settings(meeting: Meeting) -> Known:
    """What was announced of a meeting, in the words of the API."""
    return {
        "title": meeting.title,
        "kind": meeting.kind,
        "starts_local": meeting.starts_local,
        "rrule": meeting.rrule,
        "duration_s": meeting.duration_s,
        "opens_before_s": meeting.opens_before_s,
        "overrun_s": meeting.overrun_s,
        "main_site": meeting.main_site_id,
        "sites": meeting.site_ids,
    }


def busy(session: Session, settings: Settings, now: datetime, sites: Iterable[str]) -> list[Busy]:
    """When these sites are taken by meetings of the coming year."""
    wanted = list(sites)
    spans = []
    for meeting in session.scalars(select(Meeting).where(Meeting.cancelled_at.is_(None))):
        taken = set(meeting.site_ids)
        shared = [site for site in wanted if site in taken]
        if not shared:
            continue
        over = set(
            session.scalars(
                select(Occurrence.starts_at)
                .where(Occurrence.meeting_id == meeting.id)
                .where(Occurrence.finished_at.is_not(None))
            )
        )
        for time in expand(plan_of(meeting), settings.zone, now, now + CONFLICT_HORIZON):
            if time.starts_at not in over:
                spans += [Busy(site, meeting.title, time.starts_at, time.ends_at) for site in shared]
    return spans


def _plan(session: Session, who: Actor, meeting_id: str, spec: MeetingSpec, settings: Settings) -> Plan:
    present = session.scalars(select(Site.id).where(Site.removed_at.is_(None)))
    known = {site for site in present if who.sees(site)}
    chosen = sorted(known) if spec.sites is None else spec.sites
    sites = tuple(dict.fromkeys([spec.main_site, *chosen]))
    unknown = [site for site in sites if site not in known]
    if unknown:
        raise Invalid(
            f"unknown site {', '.join(unknown)}: `diemcau site list` shows those there are",
            code="sites.unknown_ones",
            field="sites",
            sites=", ".join(unknown),
        )
    starts_local = _wall_clock(spec.starts_at, settings)
    if (spec.ends_at is None) == (spec.duration_s is None):
        raise Invalid("give either ends_at or duration_s")
    if spec.ends_at is not None:
        duration = _wall_clock(spec.ends_at, settings) - starts_local
    else:
        duration = timedelta(seconds=spec.duration_s or 0)
    return Plan(
        id=meeting_id,
        title=spec.title,
        starts_local=starts_local,
        duration=duration,
        opens_before=timedelta(seconds=spec.opens_before_s),
        overrun=timedelta(seconds=spec.overrun_s),
        rrule=spec.rrule or None,
        main_site=spec.main_site,
        sites=sites,
    )


def _wall_clock(moment: datetime, settings: Settings) -> datetime:
    local = moment if moment.tzinfo is None else moment.astimezone(settings.zone).replace(tzinfo=None)
    return local.replace(microsecond=0)
