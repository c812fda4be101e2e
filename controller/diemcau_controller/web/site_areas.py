"""The tree of areas, one level at a time: add, rename, move, remove."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from ..actions.add_area import AreaSpec, add_area
from ..actions.change_area import AreaChange, change_area, remove_area
from ..actions.controller import Controller
from ..actions.fleet import Fleet
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.areas import USUAL_TIERS, Node, Tree
from ..rules.refusals import NotFound, Refusal
from .access import AdministratorPage
from .form import Form, form
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of
from .site_form import AreaUnclear, area_names_of, area_of, wrong_fields

router = APIRouter(include_in_schema=False, prefix="/sites/areas")


@router.get("")
def areas(request: Request, core: Core, who: AdministratorPage, area: str = "") -> Response:
    """The areas in this one, or at the top."""
    return _page(request, core, who, area, {}, {})


@router.post("")
async def post_area(request: Request, core: Core, who: AdministratorPage) -> Response:
    """Add an area."""
    sent, words = await form(request), words_of(request)
    wrong: Mistakes = {}
    try:
        spec = AreaSpec.model_validate(
            {"name": sent["name"], "tier": sent["tier"], "parent": sent["parent"] or None}
        )
        await add_area(core, who, spec)
    except ValidationError as error:
        wrong = wrong_fields(words, error)
    except Refusal as error:
        wrong = mistakes(words, error)
        if "id" in wrong:  # it is made from the name
            wrong["name"] = wrong.pop("id")
    else:
        return redirect(_address(sent["parent"]), words("sites.area_added", name=spec.name))
    return await run_in_threadpool(_page, request, core, who, sent["parent"], sent.values, wrong, 422)


@router.get("/{area}")
def one_area(request: Request, core: Core, who: AdministratorPage, area: str) -> Response:
    """The form of an area."""
    tree = tree_of_fleet(core.fleet.now())
    node = _node(tree, who, area)
    parent = tree.path_text(node.parent) if node.parent else ""
    return _area_page(request, core, who, node, {"name": node.name, "tier": node.tier, "parent": parent}, {})


@router.post("/{area}")
async def post_one_area(request: Request, core: Core, who: AdministratorPage, area: str) -> Response:
    """Change it; back to the level it lies in."""
    sent, words = await form(request), words_of(request)
    tree = tree_of_fleet(await run_in_threadpool(core.fleet.now))
    node = _node(tree, who, area)
    try:
        change = _change(sent, tree)
        await change_area(core, who, area, change)
    except AreaUnclear as error:
        wrong: Mistakes = {"parent": error.said(words)}
    except ValidationError as error:
        wrong = wrong_fields(words, error)
    except Refusal as error:
        wrong = mistakes(words, error)
    else:
        return redirect(_address(change.parent or ""), words("sites.area_changed"))
    return await run_in_threadpool(_area_page, request, core, who, node, sent.values, wrong, 422)


@router.post("/{area}/remove")
async def post_removal(request: Request, core: Core, who: AdministratorPage, area: str) -> Response:
    """Take it out of the tree."""
    words = words_of(request)
    node = _node(tree_of_fleet(await run_in_threadpool(core.fleet.now)), who, area)
    await remove_area(core, who, area)
    return redirect(_address(node.parent or ""), words("sites.area_removed", name=node.name))


def tree_of_fleet(fleet: Fleet) -> Tree:
    """The areas as the rules see them."""
    return Tree(Node(area.id, area.name, area.tier, area.parent_id) for area in fleet.areas.values())


def _change(sent: Form, tree: Tree) -> AreaChange:
    return AreaChange.model_validate(
        {"name": sent["name"], "tier": sent["tier"], "parent": area_of(tree, sent["parent"])}
    )


def _address(area: str) -> str:
    return f"/sites/areas?area={area}" if area else "/sites/areas"


def _node(tree: Tree, who: Actor, area: str) -> Node:
    node = tree.nodes.get(area)
    if node is None or not who.holds(area):
        raise NotFound(f"there is no area {area[:80]}", code="areas.not_found", area=area[:80])
    return node


def _tiers(tree: Tree) -> list[str]:
    """Tiers in use, then those one may think of."""
    return list(dict.fromkeys([*sorted({node.tier for node in tree.nodes.values()}), *USUAL_TIERS]))


def _page(
    request: Request,
    core: Controller,
    who: Actor,
    area: str,
    typed: dict[str, str],
    wrong: Mistakes,
    status: int = 200,
) -> Response:
    fleet = core.fleet.now()
    tree = tree_of_fleet(fleet)
    here = tree.nodes.get(area)
    counts: dict[str, int] = {}
    for site in fleet.of(who):
        for lies_in in site.areas:
            counts[lies_in] = counts.get(lies_in, 0) + 1
    rows: list[dict[str, Any]] = [
        {"area": node, "areas": len(tree.subtree(node.id)) - 1, "sites": counts.get(node.id, 0)}
        for node in tree.children(here.id if here else None)
        if who.holds(node.id) or counts.get(node.id)
    ]
    usual = rows[-1]["area"].tier if rows else ""
    return render(
        request,
        "sites/areas.html",
        status,
        here=here,
        path=tree.path(area),
        rows=rows,
        tiers=_tiers(tree),
        typed={"name": "", "tier": usual, **typed},
        errors=wrong,
    )


def _area_page(
    request: Request,
    core: Controller,
    who: Actor,
    node: Node,
    typed: dict[str, str],
    wrong: Mistakes,
    status: int = 200,
) -> Response:
    tree = tree_of_fleet(core.fleet.now())
    return render(
        request,
        "sites/area.html",
        status,
        area=node,
        back=_address(node.parent or ""),
        typed={"name": "", "tier": "", "parent": "", **typed},
        tiers=_tiers(tree),
        names=area_names_of(tree, who, ""),
        errors=wrong,
    )
