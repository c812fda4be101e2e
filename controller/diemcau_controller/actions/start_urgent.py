"""Start an urgent meeting: it is open at once, the halls ring for a minute, then they are in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from diemcau_wire.messages import Name, SiteId
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules.actor import Actor
from ..rules.gate import Classification, Mode
from ..rules.schedule import Times, to_local
from ..rules.urgent import LASTS, OVERRUN, RING, SAME
from ..store.tables import Invitation, Meeting, Occurrence, Site
from .add_meeting import announce, new_meeting_id
from .controller import Controller, Letter
from .meeting_spec import Ids, MeetingSpec, Sites
from .taken_halls import Clash, clashes_of

KIND = "hop-khan"


class UrgentSpec(BaseModel):
    """An urgent meeting, from now on. Invited are, beside `main_site`, these `sites`, and those of these
    `areas` and `groups`, less those in `without`; with none of the three every site in scope, but halls in
    which a secret or a subject of security is being discussed in person (see `apart` of the outlook).
    The gate's questions are those of any meeting.
    """

    model_config = ConfigDict(extra="forbid")
    title: Name
    main_site: SiteId
    sites: Sites | None = None
    areas: Ids | None = None
    groups: Ids | None = None
    without: Sites = []
    classification: Classification = Classification.NONE
    security_subject: bool = False
    subject_checked: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an urgent meeting would meet: `clashes` with other meetings in the next two hours (they do not
    stop it), sites that are better left `apart`, and the site it would be led from (None: there is no site).
    """

    main_site: str | None
    clashes: tuple[Clash, ...]
    apart: frozenset[str]


async def start_urgent(controller: Controller, who: Actor, spec: UrgentSpec) -> str:
    """Start it and give the occurrence's id.

    Other meetings do not stand in the way: the urgent one takes their halls. The same start by the same
    person within two minutes gives the meeting that runs, so that a second tap starts nothing. Raises what
    :func:`add_meeting` raises, but for halls that are taken.
    """
    meeting_id = new_meeting_id()

    def change(session: Session) -> tuple[str, list[Letter]]:
        now, settings = controller.now(), controller.settings
        running = _same(session, who, spec.title, now)
        if running is not None:
            return running, []
        everybody = spec.sites is None and spec.areas is None and spec.groups is None
        apart = apart_of(session, now) - {spec.main_site} if everybody else frozenset()
        asked = MeetingSpec(
            title=spec.title,
            kind=KIND,
            starts_at=now + RING,
            duration_s=int(LASTS.total_seconds()),
            opens_before_s=int(RING.total_seconds()),
            overrun_s=int(OVERRUN.total_seconds()),
            main_site=spec.main_site,
            sites=spec.sites,
            areas=spec.areas,
            groups=spec.groups,
            without=[*spec.without, *sorted(apart)],
            mode=Mode.HERE,
            classification=spec.classification,
            security_subject=spec.security_subject,
            subject_checked=spec.subject_checked,
        )
        letters = announce(session, settings, now, who, meeting_id, asked, urgent=True)
        started = session.scalars(select(Occurrence.id).where(Occurrence.meeting_id == meeting_id)).one()
        return started, letters

    occurrence, letters = await controller.write(change)
    controller.send(letters)
    controller.news.tell("schedule", meeting=occurrence)
    return occurrence


def outlook(session: Session, settings: Settings, who: Actor, now: datetime) -> Outlook:
    """What an urgent meeting of every site in scope would meet now."""
    sites = session.scalars(select(Site).where(Site.removed_at.is_(None)).order_by(Site.id)).all()
    seen = [site for site in sites if who.sees(site.id)]
    main = next((site.id for site in seen if site.is_centre), seen[0].id if seen else None)
    times = [_span("", now, now + RING + LASTS, settings)]
    wanted = frozenset(site.id for site in seen)
    clashes = clashes_of(session, settings, now, times, wanted) if main is not None else []
    return Outlook(main, tuple(clashes), apart_of(session, now) & wanted)


def clashes_with(session: Session, settings: Settings, now: datetime, occurrence: Occurrence) -> list[Clash]:
    """The other meetings whose halls this one takes."""
    times = [_span(occurrence.id, occurrence.starts_at, occurrence.ends_at, settings)]
    sites = frozenset(occurrence.meeting.site_ids)
    return clashes_of(session, settings, now, times, sites, apart_from={occurrence.meeting_id})


def apart_of(session: Session, now: datetime) -> frozenset[str]:
    """Sites where a secret or a subject of security is discussed in person now: no camera opens there unless
    somebody asks for that hall by name."""
    held = (
        select(Invitation.site_id)
        .join(Meeting, Meeting.id == Invitation.meeting_id)
        .join(Occurrence, Occurrence.meeting_id == Meeting.id)
        .where(Occurrence.finished_at.is_(None), Occurrence.opens_at <= now + RING, Occurrence.cap_at > now)
        .where(Meeting.mode != Mode.HERE.value)
        .where((Meeting.classification != Classification.NONE.value) | Meeting.security_subject)
    )
    return frozenset(session.scalars(held))


def _span(id: str, starts_at: datetime, ends_at: datetime, settings: Settings) -> Times:
    """The time in which halls are wanted, as the rules about taken halls take it."""
    return Times(id, to_local(starts_at, settings.zone), starts_at, starts_at, ends_at, ends_at)


def _same(session: Session, who: Actor, title: str, now: datetime) -> str | None:
    return session.scalars(
        select(Occurrence.id)
        .join(Meeting)
        .where(Meeting.urgent, Meeting.created_by == who.name, Meeting.title == title)
        .where(Meeting.created_at > now - SAME, Occurrence.finished_at.is_(None))
        .order_by(Occurrence.starts_at.desc())
    ).first()
