"""Groups of sites that are invited together."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from ..actions.controller import Controller
from ..actions.fleet import SiteNow
from ..actions.groups import (
    GroupChange,
    GroupSpec,
    add_group,
    change_group,
    group_for,
    groups_for,
    remove_group,
)
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.naming import plain
from ..rules.refusals import Refusal
from .access import OperatorPage, ViewerPage
from .form import form
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of
from .site_areas import tree_of_fleet
from .site_form import AreaUnclear, area_names_of, area_of, wrong_fields

router = APIRouter(include_in_schema=False, prefix="/sites/groups")

_FOUND = 60


@router.get("")
def groups(request: Request, core: Core, who: ViewerPage) -> Response:
    """Every group in scope."""
    return _list(request, core, who, "", {})


@router.post("")
async def post_group(request: Request, core: Core, who: OperatorPage) -> Response:
    """Add an empty group; on to it."""
    sent, words = await form(request), words_of(request)
    try:
        group = await add_group(core, who, GroupSpec(name=sent["name"]))
    except ValidationError as error:
        wrong = wrong_fields(words, error)
    except Refusal as error:
        wrong = {"name": next(iter(mistakes(words, error).values()))}
    else:
        return redirect(f"/sites/groups/{group}", words("sites.group_added"))
    return await run_in_threadpool(_list, request, core, who, sent["name"], wrong, 422)


@router.get("/{group}")
def one(request: Request, core: Core, who: ViewerPage, group: str, q: str = "") -> Response:
    """A group, its sites, and a search for more."""
    return _page(request, core, who, group, q[:200], {})


@router.post("/{group}")
async def post_one(request: Request, core: Core, who: OperatorPage, group: str) -> Response:
    """Rename it; or add sites, those of an area, or take one out."""
    sent, words = await form(request), words_of(request)
    fleet = await run_in_threadpool(core.fleet.now)
    wrong: Mistakes = {}
    try:
        if "name" in sent:
            await change_group(core, who, group, GroupChange.model_validate({"name": sent["name"]}))
            return redirect(f"/sites/groups/{group}", words("sites.group_changed"))
        added = set(sent.all("add"))
        if sent["area"]:
            area = area_of(tree_of_fleet(fleet), sent["area"])
            added |= {site.id for site in fleet.of(who) if area in site.areas}
        members = await run_in_threadpool(_members, core, who, group)
        wanted = sorted((members | added) - set(sent.all("remove")))
        await change_group(core, who, group, GroupChange(sites=wanted))
        text = words("sites.group_now", n=words.number(len(wanted)))
        return redirect(f"/sites/groups/{group}", text)
    except AreaUnclear as error:
        wrong = {"area": error.said(words)}
    except ValidationError as error:
        wrong = wrong_fields(words, error)
    except Refusal as error:
        wrong = mistakes(words, error)
    return await run_in_threadpool(_page, request, core, who, group, sent["q"][:200], wrong, 422, sent.values)


@router.post("/{group}/remove")
async def post_removal(request: Request, core: Core, who: OperatorPage, group: str) -> Response:
    """Remove the group; its sites stay."""
    await remove_group(core, who, group)
    return redirect("/sites/groups", words_of(request)("sites.group_removed"))


def _members(core: Controller, who: Actor, group: str) -> set[str]:
    with core.database.read() as session:
        return {member.site_id for member in group_for(session, who, group).members}


def _list(
    request: Request, core: Controller, who: Actor, name: str, wrong: Mistakes, status: int = 200
) -> Response:
    with core.database.read() as session:
        rows = [
            (group.id, group.name, sum(who.sees(member.site_id) for member in group.members))
            for group in groups_for(session, who)
        ]
    return render(request, "sites/groups.html", status, groups=rows, name=name, errors=wrong)


def _page(
    request: Request,
    core: Controller,
    who: Actor,
    group_id: str,
    q: str,
    wrong: Mistakes,
    status: int = 200,
    typed: dict[str, str] | None = None,
) -> Response:
    fleet = core.fleet.now()
    with core.database.read() as session:
        group = group_for(session, who, group_id)
        ids = {member.site_id for member in group.members}
    sites: list[SiteNow] = [site for site in fleet.of(who) if site.id in ids]
    wanted = plain(q).split()
    others = [
        site for site in fleet.of(who) if site.id not in ids and all(word in site.search for word in wanted)
    ]
    return render(
        request,
        "sites/group.html",
        status,
        group=group,
        typed={"name": group.name, "area": "", **(typed or {})},
        sites=sites,
        beyond=len(ids) - len(sites),
        q=q,
        found=others[:_FOUND],
        more=max(0, len(others) - _FOUND),
        names=area_names_of(tree_of_fleet(fleet), who, ""),
        errors=wrong,
    )
