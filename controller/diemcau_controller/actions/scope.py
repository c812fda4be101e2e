"""What somebody may see and change: from the areas and sites a user is bound to."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import OUTSIDE, Actor, Role
from ..rules.refusals import Forbidden, Invalid, NotFound
from ..store.tables import Area, Incident, IncidentSite, Meeting, Site, Unit, User, WorkOrder


def actor_of(session: Session, user: User) -> Actor:
    """The user as who acts: role, and sites where bound to some.

    Contractors and technicians are always bound, and see the sites of their open incidents, technicians
    those of their open work orders, too.
    """
    role = Role(user.role)
    assigned = _assigned(session, user) if role in OUTSIDE else frozenset()
    if role is Role.TECHNICIAN:
        assigned |= _ordered(session, user)
    if user.area_id is not None:
        areas = area_and_below(session, user.area_id)
        sites = frozenset(session.scalars(select(Site.id).where(Site.area_id.in_(areas))))
        return Actor(user.name, role, sites | assigned, areas, user.display_name)
    sites = frozenset(row.site_id for row in user.sites) | assigned
    bound = bool(user.sites) or role in OUTSIDE
    return Actor(user.name, role, sites if bound else None, display_name=user.display_name)


def _assigned(session: Session, user: User) -> frozenset[str]:
    """The sites of open incidents that a user shall see to."""
    mine = select(Incident.id, Incident.site_id).where(
        Incident.assignee == user.name, Incident.closed_at.is_(None)
    )
    incidents = dict(session.execute(mine).all())
    further = select(IncidentSite.site_id).where(IncidentSite.incident_id.in_(incidents))
    return frozenset(incidents.values()) | frozenset(session.scalars(further))


def _ordered(session: Session, user: User) -> frozenset[str]:
    """The sites of a technician's work orders that are not closed."""
    mine = select(WorkOrder.site_id).where(WorkOrder.technician == user.name, WorkOrder.closed_at.is_(None))
    return frozenset(session.scalars(mine))


def area_and_below(session: Session, area_id: str) -> frozenset[str]:
    """The ids of an area and of every area that lies in it, however deep."""
    tree = select(Area.id).where(Area.id == area_id).cte(recursive=True)
    tree = tree.union(select(Area.id).join(tree, Area.parent_id == tree.c.id))
    return frozenset(session.scalars(select(tree.c.id)))


def site_for(session: Session, who: Actor, site_id: str) -> Site:
    """A site in scope; one that is not there, removed or out of scope is refused as not found."""
    site = session.get(Site, site_id)
    if site is None or site.removed_at is not None or not who.sees(site_id):
        raise NotFound(
            f"there is no site {site_id[:80]}: `diemcau site list` shows those there are",
            code="sites.unknown",
            site=site_id,
        )
    return site


def unit_for(session: Session, who: Actor, unit_id: str) -> Unit:
    """A unit in scope: who is bound to sites sees the units that serve them."""
    unit = session.get(Unit, unit_id)
    if unit is None or not (who.sites is None or (unit.site_id is not None and who.sees(unit.site_id))):
        raise NotFound(
            f"there is no unit {unit_id[:80]}: `diemcau unit list` shows those there are",
            code="units.unknown",
            unit=unit_id,
        )
    return unit


def meeting_for(session: Session, who: Actor, meeting_id: str) -> Meeting:
    """A meeting that somebody may see: one of its sites is in scope."""
    meeting = session.get(Meeting, meeting_id)
    if meeting is None or not who.sees_any(meeting.site_ids):
        raise NotFound(
            f"there is no meeting {meeting_id[:80]}: `diemcau meeting list` shows those there are",
            code="meetings.unknown",
            meeting=meeting_id,
        )
    return meeting


def need_whole_meeting(who: Actor, meeting: Meeting) -> None:
    """Refuse a change to a meeting unless every site of it is in scope."""
    if not who.sees_all(meeting.site_ids):
        raise Forbidden(
            f"meeting {meeting.id} has sites outside your area: ask whoever announced it to change it",
            code="meetings.beyond_scope",
            meeting=meeting.title,
        )


def need_main_site(who: Actor, meeting: Meeting) -> None:
    """Refuse to run the floor unless the main site is in scope."""
    if not who.sees(meeting.main_site_id):
        raise Forbidden(
            f"meeting {meeting.id} is led from a site outside your area: its floor is not yours to change",
            code="floor.beyond_scope",
            meeting=meeting.title,
        )


def need_area(session: Session, who: Actor, area_id: str | None) -> None:
    """Refuse to put something into an area that is not there or not in scope."""
    if area_id is not None and session.get(Area, area_id) is None:
        raise Invalid(
            f"area {area_id[:80]} does not exist: add it first",
            code="areas.unknown",
            field="area",
            area=area_id,
        )
    if not who.holds(area_id):
        raise Forbidden(
            "you are bound to an area: put it into that area or one below",
            code="areas.beyond_scope",
            field="area",
        )
