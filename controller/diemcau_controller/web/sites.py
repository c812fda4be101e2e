"""Sites: the tree of areas with its sites, and everything of one site on a page."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.controller import Controller
from ..actions.export_sites import MEDIA_TYPES, sites_table, table_as, template_table
from ..actions.find_incident import list_incidents
from ..actions.fleet import Fleet, SiteNow
from ..actions.remove_site import fate_of, remove_site, restore_site
from ..actions.scope import site_for
from ..api.access import Core
from ..rules.actor import Actor, Role
from ..rules.board import TONES
from ..rules.naming import plain
from ..rules.refusals import NotFound
from ..store.tables import Area, AuditRow, Invitation, Occurrence
from . import site_areas, site_devices, site_form, site_groups, site_import, site_room
from .access import AdministratorPage, ContractorPage, KeyedOperatorPage, OperatorPage, ViewerPage
from .audit_words import change_line, names_of
from .board_tiles import todo
from .incident_parts import what
from .page import redirect, render, words_of
from .site_room import room_values
from .words import Words

router = APIRouter(include_in_schema=False, prefix="/sites")

SHOWS = ("no_unit", "centre", "removed")
_PER_PAGE = 50
_MEETINGS = 5
_CHANGES = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the list says."""

    q: str = ""
    area: str = ""
    show: str = ""
    page: int = 1

    def address(self, **changes: object) -> str:
        """The address of the same list, changed in this; from its first page."""
        values = {one.name: getattr(self, one.name) for one in fields(self)} | {"page": ""} | changes
        query = {name: value for name, value in values.items() if value}
        return f"/sites?{urlencode(query)}" if query else "/sites"


def _asked(
    q: Annotated[str, Query(max_length=200)] = "", area: str = "", show: str = "", page: str = "1"
) -> Asked:
    """Whatever stands in the address: a word we do not know counts as not said."""
    number = int(page) if page.isascii() and page.isdecimal() and len(page) < 6 else 1
    return Asked(q.strip(), area, show if show in SHOWS else "", max(1, number))


@router.get("")
def site_list(
    request: Request, core: Core, who: ViewerPage, asked: Annotated[Asked, Depends(_asked)]
) -> Response:
    """The tree of areas with counts, and the sites found."""
    fleet = core.fleet.now()
    area = fleet.areas.get(asked.area)
    found = _found(fleet, who, asked)
    pages = max(1, -(-len(found) // _PER_PAGE))
    page = min(asked.page, pages)
    return render(
        request,
        "sites/list.html",
        asked=asked,
        area=area,
        path=_path(fleet, area),
        below=_below(fleet, who, area),
        shows=[one for one in SHOWS if one != "removed" or who.may(Role.ADMINISTRATOR)],
        sites=found[(page - 1) * _PER_PAGE : page * _PER_PAGE],
        total=len(found),
        none_at_all=not fleet.of(who),
        tones=TONES,
        page=page,
        pages=pages,
    )


@router.get("/export")
def export(request: Request, core: Core, who: ViewerPage, form: Literal["csv", "xlsx"] = "csv") -> Response:
    """Every site in scope as a table."""
    with core.database.read() as session:
        return _file("diem-cau", form, sites_table(session, who))


@router.get("/template")
def template(who: ViewerPage, form: Literal["csv", "xlsx"] = "xlsx") -> Response:
    """A table to fill in."""
    return _file("mau-diem-cau", form, template_table())


@router.get("/{site}")
def one(request: Request, core: Core, who: ContractorPage, site: str) -> Response:
    """Everything of one site."""
    return render(request, "sites/site.html", **_site(core, who, site, words_of(request)))


@router.get("/{site}/part")
def one_part(request: Request, core: Core, who: ContractorPage, site: str) -> Response:
    """The living part of it."""
    return render(request, "sites/_now.html", **_site(core, who, site, words_of(request)))


@router.get("/{site}/remove")
def ask_removal(request: Request, core: Core, who: OperatorPage, site: str) -> Response:
    """What removing it will do, before it is done."""
    with core.database.read() as session:
        site_for(session, who, site)
        fate = fate_of(session, core.settings, site, core.now())
    return render(request, "sites/remove.html", site=_known(core, who, site), fate=fate)


@router.post("/{site}/remove")
async def removal(request: Request, core: Core, who: KeyedOperatorPage, site: str) -> Response:
    """Take it out of service."""
    words = words_of(request)
    done = await remove_site(core, who, site)
    gone = await run_in_threadpool(_known, core, who, site)
    text = words("sites.removed", name=gone.name, n=words.number(len(done.left)))
    if done.attends:
        return redirect("/sites", f"{text} {words('sites.removed_attends')}", "care")
    return redirect("/sites", text)


@router.post("/{site}/restore")
async def restoring(request: Request, core: Core, who: AdministratorPage, site: str) -> Response:
    """Undo the removal."""
    meetings = await restore_site(core, who, site)
    words = words_of(request)
    return redirect(f"/sites/{site}", words("sites.restored", n=words.number(len(meetings))))


def _found(fleet: Fleet, who: Actor, asked: Asked) -> list[SiteNow]:
    """The sites asked for, by name."""
    if asked.show == "removed" and who.may(Role.ADMINISTRATOR):
        found = [one for one in fleet.by_id.values() if one.row.removed_at is not None and who.sees(one.id)]
        found.sort(key=lambda one: plain(one.name))
    else:
        found = list(fleet.of(who))
    looked_for = plain(asked.q).split()
    return [
        one
        for one in found
        if all(word in one.search for word in looked_for)
        and (not asked.area or asked.area in one.areas)
        and (asked.show != "no_unit" or one.unit is None)
        and (asked.show != "centre" or one.row.is_centre)
    ]


def _path(fleet: Fleet, area: Area | None) -> list[Area]:
    """The areas from the top down to this one."""
    found: list[Area] = []
    while area is not None and area not in found:
        found.insert(0, area)
        area = fleet.areas.get(area.parent_id or "")
    return found


def _below(fleet: Fleet, who: Actor, area: Area | None) -> list[tuple[Area, int]]:
    """The areas directly in this one (None: at the top), with how many sites lie in each and below."""
    counts: dict[str, int] = {}
    for one in fleet.of(who):
        for lies_in in one.areas:
            counts[lies_in] = counts.get(lies_in, 0) + 1
    inside = fleet.below.get(area.id if area is not None else None, ())
    return [(one, counts.get(one.id, 0)) for one in inside if who.sites is None or counts.get(one.id)]


def _known(core: Controller, who: Actor, site_id: str) -> SiteNow:
    """A site in scope; one that was removed, too."""
    found = core.fleet.now().by_id.get(site_id)
    if found is None or not who.sees(site_id):
        raise NotFound(f"there is no site {site_id[:80]}", code="sites.unknown", site=site_id[:80])
    return found


def _site(core: Controller, who: Actor, site_id: str, words: Words) -> dict[str, Any]:
    site, now = _known(core, who, site_id), core.now()
    fleet = core.fleet.now()
    may_look = who.may(Role.VIEWER)
    with core.database.read() as session:
        return {
            "site": site,
            "tone": TONES[site.state],
            "todo": todo(site, who, words),
            **room_values(core, session, site, words),
            "path": _path(fleet, site.area),
            "meetings": _coming(session, site_id, now) if may_look else [],
            "incidents": [
                {**one, "what": what(one, words)} for one in list_incidents(session, who, now, site=site_id)
            ],
            "history": _history(core, session, site_id, words) if may_look else [],
        }


def _history(core: Controller, session: Session, site_id: str, words: Words) -> list[dict[str, Any]]:
    """What was changed of a site, the newest first, as many changes as one looks at."""
    of_site = select(AuditRow).where(AuditRow.subject == f"site:{site_id}")
    rows = session.scalars(of_site.order_by(AuditRow.number.desc()).limit(_CHANGES)).all()
    names = names_of(core, session, rows)
    return [change_line(words, row, names) for row in rows]


def _coming(session: Session, site_id: str, now: datetime) -> list[Occurrence]:
    """The next meetings of a site, with one that runs."""
    rows = (
        select(Occurrence)
        .join(Invitation, Invitation.meeting_id == Occurrence.meeting_id)
        .where(Invitation.site_id == site_id, Occurrence.finished_at.is_(None), Occurrence.cap_at > now)
        .order_by(Occurrence.starts_at)
        .limit(_MEETINGS)
    )
    found = list(session.scalars(rows))
    for row in found:
        assert row.meeting  # read while the session is open
    return found


def _file(name: str, form: str, table: list[list[str]]) -> Response:
    return Response(
        table_as(form, table),
        media_type=MEDIA_TYPES[form],
        headers={
            "Content-Disposition": f'attachment; filename="{name}.{form}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


# In this order: what stands beside the sites in addresses comes before /sites/{site}.
ROUTERS = (
    site_areas.router,
    site_groups.router,
    site_import.router,
    site_form.router,
    site_devices.router,
    site_room.router,
    router,
)
