"""Who is meant by an invitation: single sites, areas with all below them, groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Invalid
from ..store.tables import Area, Group, GroupMember, Site
from .scope import area_and_below


def invited(
    session: Session,
    who: Actor,
    main_site: str,
    *,
    sites: Sequence[str] | None,
    areas: Sequence[str] | None,
    groups: Sequence[str] | None,
    without: Iterable[str] = (),
) -> list[str]:
    """The sites meant, the main one first, each once: what is stored with the meeting.

    Every site in scope when neither sites nor areas nor groups are given. Only sites in scope count; one that
    is not known, or not in scope, is refused (:class:`Invalid`) where it is named itself.
    """
    present = set(session.scalars(select(Site.id).where(Site.removed_at.is_(None))))
    known = {site for site in present if who.sees(site)}
    if sites is None and areas is None and groups is None:
        chosen = sorted(known)
    else:
        of_areas = [site for area in areas or () for site in _of_area(session, area)]
        of_groups = [site for group in groups or () for site in _of_group(session, group)]
        chosen = [*(sites or ()), *(site for site in (*of_areas, *of_groups) if site in known)]
    left_out = set(without) - {main_site}
    found = [site for site in dict.fromkeys([main_site, *chosen]) if site not in left_out]
    unknown = [site for site in found if site not in known]
    if unknown:
        raise Invalid(
            f"unknown site {', '.join(unknown[:20])}: `diemcau site list` shows those there are",
            code="schedule.unknown_sites",
            field="main_site" if main_site in unknown else "sites",
            sites=", ".join(unknown[:20]),
        )
    return found


def _of_area(session: Session, area: str) -> list[str]:
    if session.get(Area, area) is None:
        raise Invalid(
            f"area {area} does not exist: `diemcau area list` shows those there are",
            code="areas.unknown",
            field="areas",
            area=area,
        )
    below = area_and_below(session, area)
    return list(session.scalars(select(Site.id).where(Site.area_id.in_(below)).order_by(Site.id)))


def _of_group(session: Session, group: str) -> list[str]:
    if session.get(Group, group) is None:
        raise Invalid(
            f"there is no group {group}: `GET /api/v1/groups` shows those there are",
            code="schedule.unknown_group",
            field="groups",
            group=group,
        )
    members = select(GroupMember.site_id).where(GroupMember.group_id == group)
    return list(session.scalars(members.order_by(GroupMember.site_id)))
