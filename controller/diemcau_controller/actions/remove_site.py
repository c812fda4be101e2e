"""Take a site out of service, and undo it.

The row stays, because meetings that were held name it. A removed site leaves every meeting to come at once;
one that runs it attends to the end, and only then its unit is ended like one that was revoked: a box that
nobody counts any more must not stay a key to the office. It hears so, wipes itself and can be enrolled anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules.actor import SYSTEM, Actor
from ..rules.refusals import Conflict, NotFound
from ..rules.schedule import CONFLICT_HORIZON, HORIZON, expand
from ..store.tables import AuditRow, Group, GroupMember, Invitation, Meeting, Occurrence, Site, Unit
from .audit import Known, record
from .controller import Controller, Letter
from .desired import renew_schedule
from .end_unit import end_unit, ended
from .plan_of import plan_of
from .scope import site_for

REPORT_WAIT = timedelta(minutes=5)  # so long after its end a meeting that gets no report counts as running


@dataclass(slots=True)
class Removal:
    """Ids of meetings: those the site has left, and those it attends until they end. `ended` is its unit,
    once that serves nothing any more."""

    left: list[str] = field(default_factory=list)
    attends: list[str] = field(default_factory=list)
    ended: str | None = None


async def remove_site(controller: Controller, who: Actor, site_id: str) -> Removal:
    """Remove it. Raises :class:`Conflict` while it is the main site of a meeting that runs or is to come."""
    now = controller.now()

    def change(session: Session) -> tuple[Removal, list[Letter]]:
        site = site_for(session, who, site_id)
        for meeting in _to_come(session, controller.settings, site_id, now):
            if meeting.main_site_id == site_id:
                _refuse_main(session, site, meeting, now)
        groups = list(session.scalars(select(GroupMember).where(GroupMember.site_id == site_id)))
        before: Known = {"removed": False, "groups": [member.group_id for member in groups]}
        for member in groups:
            session.delete(member)
        site.removed_at = now
        before |= {"meetings": [], "unit": site.unit.id if site.unit is not None else None}
        removal, letters = _let_go(session, controller.settings, site, now)
        before["meetings"] = removal.left
        after: Known = {"removed": True, "groups": [], "meetings": [], "unit": None}
        if site.unit is not None:
            after["unit"] = site.unit.id
        record(session, who, now, "site.remove", f"site:{site_id}", before=before, after=after)
        return removal, letters

    removal, letters = await controller.write(change)
    controller.send(letters)
    await _follow(controller, site_id, removal)
    return removal


async def retire_removed_sites(controller: Controller) -> None:
    """Finish the removal of sites that were in a meeting when they were removed."""
    now = controller.now()
    with controller.database.read() as session:
        due = _unfinished(session, now)
    for site_id in due:

        def change(session: Session, site_id: str = site_id) -> tuple[Removal, list[Letter]]:
            site = session.get_one(Site, site_id)
            if site.removed_at is None:
                return Removal(), []
            unit = site.unit.id if site.unit is not None else None
            removal, letters = _let_go(session, controller.settings, site, now)
            if removal.left or removal.ended is not None:
                before: Known = {"meetings": removal.left, "unit": unit}
                after: Known = {"meetings": [], "unit": None if removal.ended is not None else unit}
                record(session, SYSTEM, now, "site.leave", f"site:{site_id}", before=before, after=after)
            return removal, letters

        removal, letters = await controller.write(change)
        controller.send(letters)
        if letters or removal.left or removal.ended is not None:
            await _follow(controller, site_id, removal)


async def restore_site(controller: Controller, who: Actor, site_id: str) -> list[str]:
    """Undo a removal: the site is back, also in the groups and in the meetings to come that it had left.

    Its unit is not: its key has ended, and it asks to be a unit anew. Gives the ids of the meetings.
    """
    now = controller.now()

    def change(session: Session) -> list[str]:
        site = session.get(Site, site_id)
        if site is None or site.removed_at is None or not who.sees(site_id):
            raise NotFound(
                f"there is no removed site {site_id[:80]}: there is nothing to undo",
                code="sites.not_removed",
                site=site_id,
            )
        back = _taken_away(session, site)
        site.removed_at = None
        for group in back["groups"]:
            if session.get(Group, group) is not None:
                session.merge(GroupMember(group_id=group, site_id=site_id))
        meetings = [
            meeting.id
            for meeting_id in back["meetings"]
            if (meeting := session.get(Meeting, meeting_id)) is not None
            and meeting.cancelled_at is None
            and site_id not in meeting.site_ids
            and _comes(session, controller.settings, meeting, now)
        ]
        for meeting_id in meetings:
            meeting = session.get_one(Meeting, meeting_id)
            last = max((row.position for row in meeting.invited), default=-1)
            meeting.invited.append(Invitation(site_id=site_id, position=last + 1))
            meeting.version += 1
        record(
            session,
            who,
            now,
            "site.restore",
            f"site:{site_id}",
            before={"removed": True, "meetings": []},
            after={"removed": False, "meetings": meetings},
        )
        return meetings

    meetings = await controller.write(change)
    _tell(controller, site_id, meetings)
    return meetings


@dataclass(slots=True)
class Fate:
    """What removing a site will do, by title: meetings it leaves, meetings it attends until they end, and one
    it leads, which keeps it from being removed (`leads_now`: that one runs).
    """

    leaves: list[str] = field(default_factory=list)
    attends: list[str] = field(default_factory=list)
    leads: str = ""
    leads_now: bool = False


def fate_of(session: Session, settings: Settings, site_id: str, now: datetime) -> Fate:
    """What :func:`remove_site` would do."""
    fate = Fate()
    for meeting in _to_come(session, settings, site_id, now):
        running = _running(session, meeting, now)
        (fate.attends if running else fate.leaves).append(meeting.title)
        if meeting.main_site_id == site_id and not fate.leads_now:
            fate.leads, fate.leads_now = meeting.title, running
    return fate


def _let_go(session: Session, settings: Settings, site: Site, now: datetime) -> tuple[Removal, list[Letter]]:
    """Take a removed site out of every meeting that does not run, and its unit out of service after."""
    removal = Removal()
    for meeting in list(_to_come(session, settings, site.id, now)):
        if _running(session, meeting, now):
            removal.attends.append(meeting.id)
            continue
        meeting.invited[:] = [row for row in meeting.invited if row.site_id != site.id]
        meeting.version += 1
        removal.left.append(meeting.id)
    unit = site.unit
    if unit is None:
        return removal, []
    session.flush()
    if removal.attends:
        return removal, renew_schedule(session, settings, now, [unit])
    removal.ended = unit.id
    return removal, end_unit(session, settings, now, unit, "revoked")


def _to_come(session: Session, settings: Settings, site_id: str, now: datetime) -> Iterator[Meeting]:
    """Meetings of a site that run or will take place."""
    of_site = (
        select(Meeting)
        .join(Invitation, Invitation.meeting_id == Meeting.id)
        .where(Invitation.site_id == site_id, Meeting.cancelled_at.is_(None))
        .order_by(Meeting.id)
    )
    for meeting in session.scalars(of_site).all():
        if _comes(session, settings, meeting, now):
            yield meeting


def _comes(session: Session, settings: Settings, meeting: Meeting, now: datetime) -> bool:
    open_ones = select(Occurrence.id).where(
        Occurrence.meeting_id == meeting.id, Occurrence.finished_at.is_(None), Occurrence.cap_at > now
    )
    if session.scalars(open_ones.limit(1)).first() is not None:
        return True
    # What is further away than the horizon has no occurrence yet.
    return bool(expand(plan_of(meeting), settings.zone, now + HORIZON, now + CONFLICT_HORIZON))


def _running(session: Session, meeting: Meeting, now: datetime) -> bool:
    """True from its opening until its report, which names every site that attended, is written."""
    open_now = select(Occurrence.id).where(
        Occurrence.meeting_id == meeting.id,
        Occurrence.opens_at <= now,
        Occurrence.cap_at > now - REPORT_WAIT,
        Occurrence.reported_at.is_(None),
        Occurrence.finished_at.is_(None) | (Occurrence.finished_at > Occurrence.opens_at),
    )
    return session.scalars(open_now.limit(1)).first() is not None


def _refuse_main(session: Session, site: Site, meeting: Meeting, now: datetime) -> None:
    if _running(session, meeting, now):
        raise Conflict(
            f"site {site.id} is the main site of the meeting “{meeting.title}”, which runs: "
            "remove it after the meeting",
            code="sites.leads_running",
            site=site.name,
            meeting=meeting.title,
        )
    raise Conflict(
        f"site {site.id} is the main site of the meeting “{meeting.title}” to come: "
        "give that meeting another main site, or cancel it, first",
        code="sites.leads_planned",
        site=site.name,
        meeting=meeting.title,
    )


def _unfinished(session: Session, now: datetime) -> list[str]:
    """Removed sites that still have a unit, or are still invited."""
    removed = select(Site.id).where(Site.removed_at.is_not(None))
    bound = removed.join(Unit, Unit.site_id == Site.id)
    invited = (
        removed.join(Invitation, Invitation.site_id == Site.id)
        .join(Occurrence, Occurrence.meeting_id == Invitation.meeting_id)
        .where(Occurrence.finished_at.is_(None), Occurrence.cap_at > now)
    )
    return sorted({*session.scalars(bound), *session.scalars(invited)})


def _taken_away(session: Session, site: Site) -> dict[str, list[str]]:
    """Groups and meetings the removal took the site out of, as the list of changes has them."""
    rows = session.scalars(
        select(AuditRow)
        .where(AuditRow.subject == f"site:{site.id}", AuditRow.at >= site.removed_at)
        .where(AuditRow.action.in_(("site.remove", "site.leave")))
        .order_by(AuditRow.number)
    )
    found: dict[str, list[str]] = {"groups": [], "meetings": []}
    for row in rows:
        for key, ids in found.items():
            ids += (row.before or {}).get(key, [])
    return found


async def _follow(controller: Controller, site_id: str, removal: Removal) -> None:
    """After the commit of a removal."""
    if removal.ended is not None:
        await ended(controller, removal.ended)
    _tell(controller, site_id, removal.left)


def _tell(controller: Controller, site_id: str, meetings: list[str]) -> None:
    controller.news.tell("site", site=site_id)
    for meeting in meetings:
        controller.news.tell("schedule", meeting=meeting)
