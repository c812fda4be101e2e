"""What a meeting's form offers to invite: all, areas, groups, single sites; few or thousands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from ..rules.actor import Actor
from ..rules.areas import Node, Tree
from ..rules.naming import plain
from ..store.tables import Area, Group, Site

FEW = 200  # so many single sites are shown as boxes; more are searched for
_FOUND = 30

Option = tuple[str, str, str]
"""Value, text, hint."""


@dataclass(frozen=True, slots=True)
class Picker:
    """`areas`, `groups`, `sites` are boxes; `mains` may be the main site; `names` of every site in scope."""

    count: int
    many: bool
    areas: list[Option]
    groups: list[Option]
    sites: list[Option]
    mains: list[tuple[str, str]]
    names: dict[str, str]


def picker(session: Session, who: Actor, chosen: Sequence[str], main_site: str, find: str) -> Picker:
    """The boxes for somebody's scope; with many sites those that are chosen, or found by `find`."""
    rows = [
        site for site in session.scalars(select(Site).where(Site.removed_at.is_(None))) if who.sees(site.id)
    ]
    rows.sort(key=lambda site: (not site.is_centre, plain(site.name)))
    tree = _tree(session)
    counts = _counts(tree, rows)
    many = len(rows) > FEW
    ticked, wanted = set(chosen), plain(find).split()

    def shown(token: str, name: str) -> bool:
        return token in ticked or (bool(wanted) and all(word in plain(name) for word in wanted))

    areas = [
        (f"area:{node.id}", "· " * depth + node.name, str(counts[node.id]))
        for depth, node in tree.walk()
        if counts.get(node.id) and (not many or depth == 0 or shown(f"area:{node.id}", node.name))
    ]
    sites = [(f"site:{site.id}", site.name, "") for site in rows]
    if many:
        sites = [one for one in sites if shown(one[0], one[1])][: _FOUND + len(ticked)]
    single = {token.removeprefix("site:") for token in ticked if token.startswith("site:")}
    mains = [
        (site.id, site.name)
        for site in rows
        if not many or site.is_centre or site.id == main_site or site.id in single
    ]
    return Picker(
        count=len(rows),
        many=many,
        areas=areas if len(areas) > 1 or many else [],
        groups=_groups(session, {site.id for site in rows}),
        sites=sites,
        mains=mains or [(site.id, site.name) for site in rows[:_FOUND]],
        names={site.id: site.name for site in rows},
    )


def tokens_of(session: Session, who: Actor, sites: Iterable[str]) -> list[str]:
    """Stored sites as boxes: `all`, whole areas where there are many, and single sites."""
    invited = set(sites)
    rows = [
        site for site in session.scalars(select(Site).where(Site.removed_at.is_(None))) if who.sees(site.id)
    ]
    known = {site.id for site in rows}
    if known and known <= invited:
        return ["all"]
    left = invited & known
    tokens = []
    if len(rows) > FEW:
        tree = _tree(session)
        inside = _inside(tree, rows)
        for _, node in tree.walk():
            members = inside.get(node.id, set())
            if members and members <= left:
                tokens.append(f"area:{node.id}")
                left -= members
    return [*tokens, *(f"site:{site}" for site in sorted(left))]


def _tree(session: Session) -> Tree:
    return Tree(Node(area.id, area.name, area.tier, area.parent_id) for area in session.scalars(select(Area)))


def _inside(tree: Tree, rows: Iterable[Site]) -> dict[str, set[str]]:
    inside: dict[str, set[str]] = {}
    for site in rows:
        for node in tree.path(site.area_id) if site.area_id else ():
            inside.setdefault(node.id, set()).add(site.id)
    return inside


def _counts(tree: Tree, rows: Iterable[Site]) -> dict[str, int]:
    return {area: len(sites) for area, sites in _inside(tree, rows).items()}


def _groups(session: Session, known: set[str]) -> list[Option]:
    found = session.scalars(select(Group).options(selectinload(Group.members)).order_by(Group.name))
    return [
        (f"group:{group.id}", group.name, str(count))
        for group in found
        if (count := sum(member.site_id in known for member in group.members))
    ]
