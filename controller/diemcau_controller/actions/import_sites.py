"""Add many sites from a table, as offices keep it: all of them, or none and a list of what is wrong.

First a plan says what each line comes to; carrying it out makes the same plan again inside the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.areas import SEPARATOR, USUAL_TIERS, guess_tier, split_path
from ..rules.naming import plain, slug
from ..rules.refusals import Invalid
from ..rules.site_table import Row, fields_of
from ..rules.sources import masked_all
from ..rules.wrong_site import Wrong, wrong_of
from ..store.tables import Area, Site
from .add_site import RESERVED_IDS
from .audit import record
from .change_area import tree_of
from .controller import Controller
from .scope import need_area
from .site_spec import SiteSpec, new_site, site_settings


@dataclass(frozen=True, slots=True)
class NewAreas:
    """How areas are made that the table names and nobody knows: below `parent` (None: at the top).

    `tiers` gives the tier of each by the one guessed from its name (`xã` for `Xã Ea Kiết`), and under `""`
    that of those whose name tells none.
    """

    parent: str | None = None
    tiers: Mapping[str, str] = field(default_factory=dict)

    def tier(self, guessed: str) -> str:
        """The tier of an area whose name suggests `guessed`; empty when nobody said it."""
        return self.tiers.get(guessed) or guessed


@dataclass(frozen=True, slots=True)
class PlannedArea:
    """An area to make. `guessed` is the tier its name begins with, `path` its names from the top down."""

    id: str
    name: str
    guessed: str
    tier: str
    parent: str | None
    path: str


@dataclass(slots=True)
class PlannedSite:
    """What a line comes to; `area` is the path of its area, `wrong` why it cannot be."""

    line: int
    id: str
    name: str
    area: str = ""
    new_area: bool = False
    spec: SiteSpec | None = None
    wrong: list[Wrong] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong in one line of the file; `line` is its number as people count, from 1."""

    line: int
    text: str
    wrong: Wrong


@dataclass(slots=True)
class ImportPlan:
    """Every line of a table, and the areas to make for them."""

    sites: list[PlannedSite]
    areas: list[PlannedArea]

    @property
    def errors(self) -> list[RowError]:
        """Everything wrong, in the order of the lines."""
        return [RowError(one.line, wrong.text, wrong) for one in self.sites for wrong in one.wrong]


class ImportRefused(Invalid):
    """The table was not imported; `errors` says why, line by line."""

    code = "sites.import_refused"

    def __init__(self, errors: list[RowError]) -> None:
        super().__init__(
            "nothing was imported, for these lines are wrong: correct them and import the file again",
            n=len(errors),
        )
        self.errors = errors


async def import_sites(
    controller: Controller, who: Actor, rows: Sequence[Row], new_areas: NewAreas | None = None
) -> ImportPlan:
    """Add every site of the table; areas nobody knows too when `new_areas` is given.

    Gives what was added. Raises :class:`ImportRefused`, and then nothing was.
    """
    now = controller.now()

    def change(session: Session) -> ImportPlan:
        plan = plan_import(session, who, rows, new_areas)
        if plan.errors:
            raise ImportRefused(plan.errors)
        if new_areas is not None and plan.areas:
            need_area(session, who, new_areas.parent)
        for area in plan.areas:
            session.add(Area(id=area.id, name=area.name, tier=area.tier, parent_id=area.parent))
            after = {"name": area.name, "tier": area.tier, "parent": area.parent}
            record(session, who, now, "area.add", f"area:{area.id}", after=after)
        session.flush()  # in the order given: each before those that lie in it
        sites = [new_site(one.id, one.spec, controller.settings.language) for one in plan.sites if one.spec]
        session.add_all(sites)
        session.flush()
        for site in sites:
            record(session, who, now, "site.add", f"site:{site.id}", after=masked_all(site_settings(site)))
        return plan

    plan = await controller.write(change)
    controller.news.tell("site")
    return plan


def plan_import(
    session: Session, who: Actor, rows: Sequence[Row], new_areas: NewAreas | None = None
) -> ImportPlan:
    """What an import would do; areas nobody knows are wrong unless `new_areas` says how to make them."""
    return _Planner(session, who, new_areas).plan(rows)


class _Planner:
    def __init__(self, session: Session, who: Actor, new_areas: NewAreas | None) -> None:
        self._who, self._new = who, new_areas
        self._tree = tree_of(session)
        tiers = {node.tier for node in self._tree.nodes.values()}
        self._tiers = [*tiers, *USUAL_TIERS]
        self._taken: dict[str, int | None] = {}  # id of a site → the line that has it, None: the database
        self._removed = set(session.scalars(select(Site.id).where(Site.removed_at.is_not(None))))
        self._taken.update(dict.fromkeys(session.scalars(select(Site.id))))
        self._areas: dict[tuple[str | None, str], PlannedArea] = {}
        self._paths: dict[str, str] = {}  # of the areas to make

    def plan(self, rows: Sequence[Row]) -> ImportPlan:
        sites = [self._site(row) for row in rows]
        return ImportPlan(sites, list(self._areas.values()))

    def _site(self, row: Row) -> PlannedSite:
        fields, wrong = fields_of(row)
        name = str(fields["name"])
        site = PlannedSite(row.line, str(fields.get("id") or slug(name)), name, wrong=wrong)
        fields["area"] = self._area(site, row.cells.get("area", ""))
        try:
            site.spec = SiteSpec.model_validate(fields)
        except ValidationError as error:
            site.wrong += [wrong_of(one) for one in error.errors()]
        else:
            site.name = site.spec.name
            self._take_id(site)
        return site

    def _take_id(self, site: PlannedSite) -> None:
        if not site.id:
            text = "no id can be made from that name: give an id of letters a-z and digits"
            site.wrong.append(Wrong(text, "sites.id_needed", {}, "id"))
            return
        if site.id in RESERVED_IDS:
            text = f"{site.id} cannot be the id of a site: choose another id"
            site.wrong.append(Wrong(text, "sites.id_reserved", {"site": site.id}, "id"))
            return
        if site.id not in self._taken:
            self._taken[site.id] = site.line
            return
        before, text = self._taken[site.id], f"site {site.id} exists already"
        values: dict[str, Any] = {"site": site.id}
        if before is not None:
            values["before"] = before
            wrong = Wrong(f"{text}: line {before} has the same id", "sites.twice", values, "id")
        elif site.id in self._removed:
            wrong = Wrong(
                f"{text}, but was removed: restore it, or choose another id",
                "sites.was_removed",
                values,
                "id",
            )
        else:
            wrong = Wrong(f"{text}: choose another id, or take the line out", "sites.exists", values, "id")
        site.wrong.append(wrong)

    def _area(self, site: PlannedSite, written: str) -> str | None:
        """The id of the area meant, which may be one to make."""
        if not written:
            if not self._who.holds(None):
                text = "you are bound to an area: put it into that area or one below"
                site.wrong.append(Wrong(text, "areas.beyond_scope", {}, "area"))
            return None
        found = self._tree.find(written)
        if len(found) > 1:
            paths = "; ".join(self._tree.path_text(area) for area in found[:3])
            text = f"area “{written[:80]}” may be {paths}: write it with the area it lies in"
            site.wrong.append(Wrong(text, "areas.ambiguous", {"area": written[:80], "paths": paths}, "area"))
            return None
        if found and not self._who.holds(found[0]):
            text = "you are bound to an area: put it into that area or one below"
            site.wrong.append(Wrong(text, "areas.beyond_scope", {}, "area"))
            return None
        if found:
            site.area = self._tree.path_text(found[0])
            return found[0]
        return self._make_area(site, written)

    def _make_area(self, site: PlannedSite, written: str) -> str | None:
        if self._new is None:
            text = f"area “{written[:80]}” is not known: add it first"
            site.wrong.append(Wrong(text, "areas.not_known", {"area": written[:80]}, "area"))
            return None
        names = split_path(written)
        parent, names = self._known_part(names)
        made: PlannedArea | None = None
        for name in names:
            made = self._planned(parent, name)
            if not made.id or not made.tier or len(name) > 200:
                site.area, site.new_area = made.path, True
                self._refuse_area(site, made)
                return None
            parent = made.id
        if made is None:
            return parent
        site.area, site.new_area = made.path, True
        return made.id

    def _known_part(self, names: list[str]) -> tuple[str | None, list[str]]:
        """The area the longest known beginning of a path means, and the names after it."""
        for length in range(len(names) - 1, 0, -1):
            found = self._tree.find(SEPARATOR.join(names[:length]))
            if len(found) == 1:
                return found[0], names[length:]
        return (self._new.parent if self._new is not None else None), names

    def _planned(self, parent: str | None, name: str) -> PlannedArea:
        key = (parent, plain(name))
        if key not in self._areas:
            guessed = guess_tier(name, self._tiers)
            area = PlannedArea(
                id=self._free_area_id(name, parent),
                name=name,
                guessed=guessed,
                tier=self._new.tier(guessed) if self._new is not None else guessed,
                parent=parent,
                path=SEPARATOR.join(filter(None, (self._path(parent), name))),
            )
            self._areas[key] = area
            self._paths[area.id] = area.path
        return self._areas[key]

    def _path(self, area: str | None) -> str:
        """The path of an area, one to make as well."""
        if area is None:
            return ""
        return self._paths.get(area) or self._tree.path_text(area)

    def _free_area_id(self, name: str, parent: str | None) -> str:
        """An id nobody has, from the name alone if that will do."""
        wishes = chain((name, f"{name} {parent or ''}"), (f"{name[:30]} {n}" for n in range(2, 1000)))
        taken = (self._tree.nodes, self._paths)
        return next(
            (wish for wish in map(slug, wishes) if wish and not any(wish in ids for ids in taken)), ""
        )

    def _refuse_area(self, site: PlannedSite, area: PlannedArea) -> None:
        if not area.tier:
            text = f"the name of area “{area.name[:80]}” does not tell its tier: give one for such areas"
            wrong = Wrong(text, "areas.tier_needed", {"area": area.name[:80]}, "area")
        else:
            text = f"area “{area.name[:80]}” cannot be made: add it by hand first"
            wrong = Wrong(text, "areas.not_known", {"area": area.name[:80]}, "area")
        site.wrong.append(wrong)
