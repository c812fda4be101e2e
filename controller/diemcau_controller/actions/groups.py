"""Groups: named sets of sites that are invited together, whatever areas they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from diemcau_wire.messages import Name, SiteId
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.naming import plain
from ..rules.refusals import Conflict, Forbidden, Invalid, NotFound
from ..store.tables import Group, GroupMember, Site
from .audit import Known, record
from .controller import Controller
from .new_id import new_id

Members = Annotated[list[SiteId], Field(max_length=12_000)]


class GroupChange(BaseModel):
    """What changes of a group; what is absent stays. `sites` replaces all of its sites."""

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    sites: Members | None = None


class GroupSpec(GroupChange):
    """A new group. `id` is made from the name if absent."""

    id: SiteId | None = None
    name: Name
    sites: Members = []


async def add_group(controller: Controller, who: Actor, spec: GroupSpec) -> str:
    """Add it and give its id."""
    group_id = new_id(spec.id, spec.name)

    def change(session: Session) -> str:
        if session.get(Group, group_id) is not None:
            raise Conflict(
                f"group {group_id} exists already: choose another name",
                code="groups.exists",
                field="name",
                group=group_id,
            )
        group = Group(id=group_id, name=spec.name)
        _set_sites(session, who, group, spec.sites)
        session.add(group)
        session.flush()
        record(session, who, controller.now(), "group.add", f"group:{group_id}", after=_known(group))
        return group_id

    return await controller.write(change)


async def change_group(controller: Controller, who: Actor, group_id: str, change: GroupChange) -> None:
    """Rename it, or give it other sites. Who is bound to an area changes only a group that lies in it."""

    def transaction(session: Session) -> None:
        group = _own_group(session, who, group_id)
        before = _known(group)
        if change.name is not None:
            group.name = change.name
        if change.sites is not None:
            _set_sites(session, who, group, change.sites)
        session.flush()
        record(
            session,
            who,
            controller.now(),
            "group.change",
            f"group:{group_id}",
            before=before,
            after=_known(group),
        )

    await controller.write(transaction)


async def remove_group(controller: Controller, who: Actor, group_id: str) -> None:
    """Remove the group; its sites and the meetings they were invited to stay as they are."""

    def change(session: Session) -> None:
        group = _own_group(session, who, group_id)
        record(session, who, controller.now(), "group.remove", f"group:{group_id}", before=_known(group))
        session.delete(group)

    await controller.write(change)


def group_for(session: Session, who: Actor, group_id: str) -> Group:
    """A group of which a site is in scope (or which is empty), or a refusal."""
    group = session.get(Group, group_id)
    if group is None or not _visible(who, group):
        raise NotFound(
            f"there is no group {group_id[:80]}: GET /api/v1/groups lists those there are",
            code="groups.not_found",
            group=group_id,
        )
    return group


def groups_for(session: Session, who: Actor) -> list[Group]:
    """Every group of which a site is in scope, by name."""
    groups = [group for group in session.scalars(select(Group)) if _visible(who, group)]
    return sorted(groups, key=lambda group: plain(group.name))


def _visible(who: Actor, group: Group) -> bool:
    members = [member.site_id for member in group.members]
    return not members or who.sees_any(members)


def _own_group(session: Session, who: Actor, group_id: str) -> Group:
    group = group_for(session, who, group_id)
    if not who.sees_all(member.site_id for member in group.members):
        raise Forbidden(
            f"group {group_id} has sites outside your area: it is not yours to change",
            code="groups.beyond_scope",
            group=group.name,
        )
    return group


def _set_sites(session: Session, who: Actor, group: Group, sites: Sequence[str]) -> None:
    known = set(session.scalars(select(Site.id).where(Site.removed_at.is_(None))))
    unknown = [site for site in sites if site not in known or not who.sees(site)]
    if unknown:
        raise Invalid(
            f"unknown site {', '.join(unknown[:10])}: `diemcau site list` shows those there are",
            code="groups.unknown_sites",
            field="sites",
            sites=", ".join(unknown[:10]),
        )
    wanted = dict.fromkeys(sites)
    kept = [member for member in group.members if member.site_id in wanted]
    present = {member.site_id for member in kept}
    group.members[:] = kept + [GroupMember(site_id=site) for site in wanted if site not in present]


def _known(group: Group) -> Known:
    return {"name": group.name, "sites": sorted(member.site_id for member in group.members)}
